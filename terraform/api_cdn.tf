# CloudFront before the API (api_cdn): the load balancer has no public address, and is reached by
# CloudFront alone, through network interfaces in its own subnets (a VPC origin).
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html

locals {
  api_cdn = var.api_cdn && local.has_fleet

  # Where the load balancer has a certificate of the API's name, CloudFront asks for that name by TLS.
  api_origin_port = local.api_has_tls ? 443 : 80

  api_cdn_own_certificate = local.api_cdn && var.api_zone_id != null && var.api_cdn_certificate_arn == null
  api_cdn_certificate_arn = var.api_cdn_certificate_arn != null ? var.api_cdn_certificate_arn : one(aws_acm_certificate_validation.api_cdn[*].certificate_arn)
  api_cdn_has_name        = local.api_cdn && var.api_domain != null
  api_cdn_domain          = one(aws_cloudfront_distribution.api[*].domain_name)
}

resource "aws_cloudfront_vpc_origin" "api" {
  count = local.api_cdn ? 1 : 0

  vpc_origin_endpoint_config {
    name                   = "${var.name}-api"
    arn                    = aws_lb.api[0].arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = local.api_has_tls ? "https-only" : "http-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_distribution" "api" {
  #checkov:skip=CKV_AWS_86:The API logs each request itself, with its correlation id and without addresses.
  #checkov:skip=CKV_AWS_305:The API has its own page at /.
  #checkov:skip=CKV_AWS_310:There is one API; it has several instances behind its load balancer.
  #checkov:skip=CKV_AWS_374:Teachers and pupils may be anywhere; who may call is the identity provider's to say.
  #checkov:skip=CKV_AWS_174:With CloudFront's own certificate AWS fixes the TLS policy; with a name of its own it is TLSv1.2_2021.
  #checkov:skip=CKV2_AWS_32:The API sends its own security headers.
  #checkov:skip=CKV2_AWS_42:A certificate is used where the API has a name of its own.
  #checkov:skip=CKV2_AWS_47:No Java anywhere behind it.
  count = local.api_cdn ? 1 : 0

  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  comment         = "${var.name} API"
  price_class     = var.cloudfront_price_class
  aliases         = local.api_cdn_has_name ? [var.api_domain] : []
  web_acl_id      = one(aws_wafv2_web_acl.api_cdn[*].arn)

  origin {
    origin_id   = "api"
    domain_name = aws_lb.api[0].dns_name

    vpc_origin_config {
      vpc_origin_id = aws_cloudfront_vpc_origin.api[0].id
      # Longer than the longest answer, a ?wait=20.
      origin_read_timeout = 60
    }
  }

  # Nothing is kept, and all is passed on, the host name as well.
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html (CachingDisabled)
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html (AllViewer)
  default_cache_behavior {
    target_origin_id         = "api"
    viewer_protocol_policy   = "redirect-to-https"
    allowed_methods          = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    origin_request_policy_id = "216adef6-5c7f-47e4-b989-5492eafa07d3"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = !local.api_cdn_has_name
    acm_certificate_arn            = local.api_cdn_has_name ? local.api_cdn_certificate_arn : null
    ssl_support_method             = local.api_cdn_has_name ? "sni-only" : null
    minimum_protocol_version       = local.api_cdn_has_name ? "TLSv1.2_2021" : "TLSv1"
  }
}

# CloudFront takes certificates of us-east-1 only. A name's validation record is the same in all regions.

resource "aws_acm_certificate" "api_cdn" {
  provider = aws.us_east_1
  count    = local.api_cdn_own_certificate ? 1 : 0

  domain_name       = var.api_domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "api_cdn_validation" {
  for_each = toset(local.api_cdn_own_certificate ? [var.api_domain] : [])

  zone_id         = var.api_zone_id
  name            = one([for option in aws_acm_certificate.api_cdn[0].domain_validation_options : option.resource_record_name if option.domain_name == each.key])
  type            = one([for option in aws_acm_certificate.api_cdn[0].domain_validation_options : option.resource_record_type if option.domain_name == each.key])
  records         = [one([for option in aws_acm_certificate.api_cdn[0].domain_validation_options : option.resource_record_value if option.domain_name == each.key])]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "api_cdn" {
  provider = aws.us_east_1
  count    = local.api_cdn_own_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.api_cdn[0].arn
  validation_record_fqdns = [for record in aws_route53_record.api_cdn_validation : record.fqdn]
}

# The list counts as 55 rules of the 60 that a security group may have, so only the one port is open.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/LocationsOfEdgeServers.html
data "aws_ec2_managed_prefix_list" "cloudfront" {
  count = local.api_cdn ? 1 : 0

  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  count = local.api_cdn ? 1 : 0

  security_group_id = aws_security_group.load_balancer.id
  description       = "CloudFront, by the VPC origin"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront[0].id
  ip_protocol       = "tcp"
  from_port         = local.api_origin_port
  to_port           = local.api_origin_port
}

# The firewall sees the callers' addresses here; at the load balancer all come from CloudFront.
resource "aws_wafv2_web_acl" "api_cdn" {
  #checkov:skip=CKV_AWS_192:No Java anywhere behind it.
  #checkov:skip=CKV2_AWS_31:Its counts are in CloudWatch; the addresses are not kept.
  #checkov:skip=CKV2_AWS_77:No Java anywhere behind it.
  provider = aws.us_east_1
  count    = local.api_cdn ? 1 : 0

  name        = "${var.name}-api"
  description = "Limits the requests of one address"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = local.waf_limit
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-api-rate"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "${var.name}-api"
    sampled_requests_enabled   = false
  }
}

# What the load balancer does not see: CloudFront that cannot reach it.
resource "aws_cloudwatch_metric_alarm" "api_cdn_5xx" {
  provider = aws.us_east_1
  count    = local.api_cdn ? 1 : 0

  alarm_name          = "${var.name}-api-cdn-5xx"
  alarm_description   = "CloudFront answered more than 5% of the API's requests 5xx, of at least 100 in five minutes: the API's own errors, or the way to its load balancer (security group, VPC origin)."
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn_us_east_1]
  ok_actions          = [local.topic_arn_us_east_1]

  metric_query {
    id          = "error_percent"
    label       = "5xx in percent"
    expression  = "IF(requests >= 100, errors, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { errors = ["5xxErrorRate", "Average"], requests = ["Requests", "Sum"] }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/CloudFront"
        metric_name = metric_query.value[0]
        dimensions  = { DistributionId = aws_cloudfront_distribution.api[0].id, Region = "Global" }
        period      = 300
        stat        = metric_query.value[1]
      }
    }
  }
}
