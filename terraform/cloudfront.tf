# The only public way to a picture.

# Origin access control is the successor of the origin access identity that the portal's
# document names: it signs with SigV4 and the bucket policy names this very distribution.
resource "aws_cloudfront_origin_access_control" "images" {
  name                              = "${var.name}-images"
  description                       = "Signs CloudFront's reads of the picture bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_cache_policy" "images" {
  name    = "${var.name}-images"
  comment = "A picture's path alone names it; a function has chosen the format"
  # A picture never changes under its key, so no shorter lifetime of an object counts.
  min_ttl     = 86400
  default_ttl = var.cloudfront_default_ttl_seconds
  max_ttl     = 31536000

  parameters_in_cache_key_and_forwarded_to_origin {
    query_strings_config {
      query_string_behavior = "none"
    }

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }
  }
}

resource "aws_cloudfront_response_headers_policy" "images" {
  #checkov:skip=CKV_AWS_259:HSTS is set for a year; preloading is for the owner of a whole domain to decide.
  name    = "${var.name}-images"
  comment = "Security headers of the pictures, and CORS answered at the edge"

  cors_config {
    access_control_allow_credentials = false
    access_control_max_age_sec       = 86400
    origin_override                  = true

    access_control_allow_headers {
      items = ["*"]
    }

    access_control_allow_methods {
      items = ["GET", "HEAD", "OPTIONS"]
    }

    access_control_allow_origins {
      items = var.cors_allowed_origins
    }
  }

  security_headers_config {
    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      preload                    = false
      override                   = true
    }

    content_type_options {
      override = true
    }

    frame_options {
      frame_option = "DENY"
      override     = true
    }

    referrer_policy {
      referrer_policy = "no-referrer"
      override        = true
    }

    content_security_policy {
      content_security_policy = "default-src 'none'; frame-ancestors 'none'; sandbox"
      override                = true
    }
  }
}

resource "aws_cloudfront_function" "hide_metadata" {
  name    = "${var.name}-hide-metadata"
  comment = "Removes x-amz-meta-* from the answers"
  runtime = "cloudfront-js-2.0"
  code    = file("${path.module}/hide-metadata.js")
  publish = true
}

resource "aws_cloudfront_function" "viewer_request" {
  name    = "${var.name}-viewer-request"
  comment = "Shows the AVIF beside a WebP to those that accept it"
  runtime = "cloudfront-js-2.0"
  code    = file("${path.module}/viewer-request.js")
  publish = true
}

resource "aws_cloudfront_distribution" "images" {
  #checkov:skip=CKV_AWS_68:Static pictures from a cache; there is nothing behind it for a WAF to guard.
  #checkov:skip=CKV2_AWS_47:No Log4j anywhere behind this distribution; the origin is S3.
  #checkov:skip=CKV_AWS_86:The readers are pupils; their addresses are not kept. Counts and errors come from the monitoring subscription.
  #checkov:skip=CKV_AWS_310:One bucket is the origin; a second would double storage for pictures that can be made again.
  #checkov:skip=CKV_AWS_374:Pupils may be anywhere; who may read is not a matter of country.
  #checkov:skip=CKV_AWS_305:There is no index page; every address names one picture.
  #checkov:skip=CKV_AWS_174:With CloudFront's own certificate AWS fixes the TLS policy; with cdn_certificate_arn it is TLSv1.2_2021.
  #checkov:skip=CKV2_AWS_42:A certificate is used as soon as cdn_certificate_arn names one.
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  comment         = "${var.name} pictures"
  price_class     = var.cloudfront_price_class
  aliases         = var.cdn_aliases

  origin {
    origin_id                = "images"
    domain_name              = aws_s3_bucket.images.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.images.id
  }

  default_cache_behavior {
    target_origin_id           = "images"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = aws_cloudfront_cache_policy.images.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.images.id
    # WebP is compressed already.
    compress           = false
    trusted_key_groups = aws_cloudfront_key_group.pictures[*].id

    dynamic "function_association" {
      for_each = local.cdn_functions

      content {
        event_type   = function_association.key
        function_arn = function_association.value
      }
    }
  }

  # What an error shows needs no signature; else there would be an error in its place.
  dynamic "ordered_cache_behavior" {
    for_each = aws_cloudfront_key_group.pictures

    content {
      path_pattern               = "/${aws_s3_object.placeholder.key}"
      target_origin_id           = "images"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD", "OPTIONS"]
      cached_methods             = ["GET", "HEAD"]
      cache_policy_id            = aws_cloudfront_cache_policy.images.id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.images.id
      compress                   = true
    }
  }

  # The placeholder with the error's own status, so that the alarms still see it. S3 calls what is
  # not there forbidden; where pictures are private, so does CloudFront an address without signature.
  dynamic "custom_error_response" {
    for_each = { 403 = local.pictures_are_private ? 403 : 404, 404 = 404, 500 = 500, 502 = 502, 503 = 503, 504 = 504 }

    content {
      error_code            = custom_error_response.key
      response_code         = custom_error_response.value
      response_page_path    = "/${aws_s3_object.placeholder.key}"
      error_caching_min_ttl = var.cdn_error_ttl_seconds
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.cdn_certificate_arn == null
    acm_certificate_arn            = var.cdn_certificate_arn
    ssl_support_method             = var.cdn_certificate_arn == null ? null : "sni-only"
    minimum_protocol_version       = var.cdn_certificate_arn == null ? "TLSv1" : "TLSv1.2_2021"
  }
}

# The hit ratio is one of the additional metrics, which have to be asked for.
resource "aws_cloudfront_monitoring_subscription" "images" {
  distribution_id = aws_cloudfront_distribution.images.id

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}

locals {
  cdn_functions = {
    viewer-request  = aws_cloudfront_function.viewer_request.arn
    viewer-response = aws_cloudfront_function.hide_metadata.arn
  }

  cdn_policy_arns = [
    "arn:${local.partition}:cloudfront::${local.account_id}:cache-policy/${aws_cloudfront_cache_policy.images.id}",
    "arn:${local.partition}:cloudfront::${local.account_id}:origin-access-control/${aws_cloudfront_origin_access_control.images.id}",
    "arn:${local.partition}:cloudfront::${local.account_id}:response-headers-policy/${aws_cloudfront_response_headers_policy.images.id}",
  ]

  cdn_domain = try(var.cdn_aliases[0], aws_cloudfront_distribution.images.domain_name)
}
