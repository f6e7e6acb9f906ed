# The CDN: the only public way to a picture.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

override_resource {
  target          = aws_s3_bucket.images
  override_during = plan
  values = {
    id                          = "images-bucket"
    arn                         = "arn:aws:s3:::images-bucket"
    bucket_regional_domain_name = "images-bucket.s3.us-west-2.amazonaws.com"
  }
}

run "delivery" {
  command = plan

  assert {
    condition     = one(aws_cloudfront_distribution.images.default_cache_behavior).viewer_protocol_policy == "redirect-to-https"
    error_message = "HTTP is redirected to HTTPS."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.images.default_cache_behavior).allowed_methods == toset(["GET", "HEAD", "OPTIONS"]) && one(aws_cloudfront_distribution.images.default_cache_behavior).cached_methods == toset(["GET", "HEAD"])
    error_message = "GET, HEAD and OPTIONS are allowed, GET and HEAD cached."
  }

  assert {
    condition     = toset([for it in one(aws_cloudfront_distribution.images.default_cache_behavior).function_association : it.event_type]) == toset(["viewer-request", "viewer-response"])
    error_message = "A function chooses the format, another hides the labels."
  }

  assert {
    condition     = aws_cloudfront_function.viewer_request.publish && strcontains(aws_cloudfront_function.viewer_request.code, "image/avif")
    error_message = "Readers that accept AVIF are shown it."
  }

  assert {
    condition     = aws_cloudfront_distribution.images.price_class == "PriceClass_100"
    error_message = "The price class is the portal's."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.images.origin).domain_name == "images-bucket.s3.us-west-2.amazonaws.com"
    error_message = "The bucket is the origin."
  }

  assert {
    condition     = aws_cloudfront_distribution.images.enabled && aws_cloudfront_distribution.images.is_ipv6_enabled
    error_message = "The distribution is on."
  }
}

# Feature: s3-image-storage, Property 10: CloudFront cache behavior
run "cache" {
  command = plan

  assert {
    condition     = one(aws_cloudfront_distribution.images.default_cache_behavior).cache_policy_id == "cache-policy"
    error_message = "The distribution uses the cache policy below."
  }

  assert {
    condition     = one(one(aws_cloudfront_cache_policy.images.parameters_in_cache_key_and_forwarded_to_origin).query_strings_config).query_string_behavior == "none" && one(one(aws_cloudfront_cache_policy.images.parameters_in_cache_key_and_forwarded_to_origin).cookies_config).cookie_behavior == "none" && one(one(aws_cloudfront_cache_policy.images.parameters_in_cache_key_and_forwarded_to_origin).headers_config).header_behavior == "none"
    error_message = "Nothing but the path is in the cache key, so every reader after the first is served from the cache."
  }
}

# Feature: s3-image-storage, Property 11: CloudFront TTL enforcement
run "lifetime" {
  command = plan

  assert {
    condition     = aws_cloudfront_cache_policy.images.default_ttl == 86400
    error_message = "A picture is kept 24 hours by default."
  }

  assert {
    condition     = aws_cloudfront_cache_policy.images.max_ttl == 31536000
    error_message = "A picture is kept a year at most."
  }

  assert {
    condition     = aws_cloudfront_cache_policy.images.min_ttl == 86400
    error_message = "Nothing that an object says makes it shorter than 24 hours."
  }
}

run "errors" {
  command = plan

  assert {
    condition     = strcontains(file(aws_s3_object.placeholder.source), "width=\"420\" height=\"400\"")
    error_message = "The page tells the placeholder from a picture by its shape, which is that of the API's."
  }

  assert {
    condition     = { for response in aws_cloudfront_distribution.images.custom_error_response : response.error_code => response.response_page_path } == { for code in [403, 404, 500, 502, 503, 504] : code => "/placeholder.svg" }
    error_message = "Every error shows the placeholder."
  }

  assert {
    condition     = alltrue([for response in aws_cloudfront_distribution.images.custom_error_response : response.error_caching_min_ttl == 10])
    error_message = "An error is kept for seconds only."
  }

  assert {
    condition     = [for response in aws_cloudfront_distribution.images.custom_error_response : response.response_code if response.error_code == 403] == [404]
    error_message = "What is not there is not found, not forbidden."
  }
}

run "headers" {
  command = plan

  assert {
    condition     = one(aws_cloudfront_distribution.images.default_cache_behavior).response_headers_policy_id == "headers-policy"
    error_message = "The distribution uses the headers policy below."
  }

  assert {
    condition     = one(one(aws_cloudfront_response_headers_policy.images.security_headers_config).strict_transport_security).access_control_max_age_sec == 31536000 && one(one(aws_cloudfront_response_headers_policy.images.security_headers_config).content_type_options).override && one(one(aws_cloudfront_response_headers_policy.images.security_headers_config).frame_options).frame_option == "DENY" && one(one(aws_cloudfront_response_headers_policy.images.security_headers_config).referrer_policy).referrer_policy == "no-referrer"
    error_message = "Security headers are set."
  }

  assert {
    condition     = startswith(one(one(aws_cloudfront_response_headers_policy.images.security_headers_config).content_security_policy).content_security_policy, "default-src 'none'")
    error_message = "A picture that is opened by itself loads nothing."
  }
}

run "metrics" {
  command = plan

  assert {
    condition     = one(one(aws_cloudfront_monitoring_subscription.images.monitoring_subscription).realtime_metrics_subscription_config).realtime_metrics_subscription_status == "Enabled"
    error_message = "The hit ratio is measured."
  }
}

run "own_name" {
  command = plan

  variables {
    cdn_aliases         = ["pictures.example.org"]
    cdn_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  assert {
    condition     = aws_cloudfront_distribution.images.aliases == toset(["pictures.example.org"]) && one(aws_cloudfront_distribution.images.viewer_certificate).minimum_protocol_version == "TLSv1.2_2021" && one(aws_cloudfront_distribution.images.viewer_certificate).ssl_support_method == "sni-only"
    error_message = "An own name is served with TLS 1.2 at least."
  }

  assert {
    condition     = output.cdn_domain == "pictures.example.org"
    error_message = "The services name pictures by the own name."
  }
}
