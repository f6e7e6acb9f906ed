# The API's own name: its record and its certificate, where api_zone_id says who answers for it.

locals {
  api_is_internal = var.api_internal || var.api_cdn
  api_is_open     = var.api_cdn || anytrue([for cidr in var.api_ingress_cidrs : tonumber(split("/", cidr)[1]) < 8]) && !var.api_internal

  # A certificate that is made here is used once it is valid; the listener waits for that.
  api_certificate_arn = var.api_certificate_arn != null ? var.api_certificate_arn : one(aws_acm_certificate_validation.api[*].certificate_arn)
  api_own_certificate = local.has_fleet && var.api_zone_id != null && var.api_certificate_arn == null

  # CloudFront has a certificate for its own name.
  api_scheme  = local.api_has_tls || local.api_cdn ? "https" : "http"
  api_address = "${local.api_scheme}://${coalesce(var.api_domain, local.api_cdn_domain, one(aws_lb.api[*].dns_name), "none")}"

  # What people open: the API's own name or CloudFront's, unless another is given.
  public_url = var.public_url == null && (var.api_domain != null || local.api_cdn) ? local.api_address : var.public_url
}

resource "aws_acm_certificate" "api" {
  count = local.api_own_certificate ? 1 : 0

  domain_name       = var.api_domain
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "api_validation" {
  # One name has one option; a set's values are known after the apply only, its keys before.
  for_each = toset(local.api_own_certificate ? [var.api_domain] : [])

  zone_id         = var.api_zone_id
  name            = one([for option in aws_acm_certificate.api[0].domain_validation_options : option.resource_record_name if option.domain_name == each.key])
  type            = one([for option in aws_acm_certificate.api[0].domain_validation_options : option.resource_record_type if option.domain_name == each.key])
  records         = [one([for option in aws_acm_certificate.api[0].domain_validation_options : option.resource_record_value if option.domain_name == each.key])]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "api" {
  count = local.api_own_certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.api[0].arn
  validation_record_fqdns = [for record in aws_route53_record.api_validation : record.fqdn]
}

resource "aws_route53_record" "api" {
  count = local.has_fleet && var.api_zone_id != null ? 1 : 0

  zone_id = var.api_zone_id
  name    = var.api_domain
  type    = "A"

  alias {
    name                   = local.api_cdn ? local.api_cdn_domain : aws_lb.api[0].dns_name
    zone_id                = local.api_cdn ? aws_cloudfront_distribution.api[0].hosted_zone_id : aws_lb.api[0].zone_id
    evaluate_target_health = false
  }
}
