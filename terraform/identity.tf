# Who may call the API: the identity provider, and the secrets that the API shares with it and with
# browsers.

locals {
  signs_in = var.auth_issuer != null

  issuer_port = try(tonumber(regex("^https://[^/:]+:([0-9]+)", var.auth_issuer)[0]), 443)

  identity_environment = merge(
    # The load balancer adds the caller's address; it has addresses of the network itself.
    { TRUSTED_PROXIES = var.vpc_cidr },
    local.public_url == null ? {} : { PUBLIC_URL = local.public_url },
    local.signs_in ? merge({ AUTH_ISSUER = var.auth_issuer, AUTH_CLIENT_ID = var.auth_client_id }, var.auth_environment) : {},
  )

  # AUTH=off, which is the default, would contradict the issuer.
  api_environment = { for name, value in var.api_environment : name => value if !(local.signs_in && name == "AUTH") }

  identity_secrets = {
    for name, secret in aws_secretsmanager_secret.identity : name => secret.arn
  }
}

resource "aws_secretsmanager_secret" "identity" {
  #checkov:skip=CKV2_AWS_57:The client's secret is the provider's to rotate; session keys are rotated by putting a new one first, since sessions under way need the older.
  for_each = !local.signs_in ? {} : merge(
    { SESSION_KEYS = "session-keys" },
    var.auth_client_is_public ? {} : { AUTH_CLIENT_SECRET = "client-secret" },
  )

  name        = "${var.name}/${each.value}"
  description = each.key == "SESSION_KEYS" ? "SESSION_KEYS: newest first, separated by commas, each of openssl rand -hex 32" : "AUTH_CLIENT_SECRET: Atelier's secret at ${var.auth_issuer}"
  kms_key_id  = aws_kms_key.logs.arn
}

# HTTPS is open already (network.tf).
resource "aws_vpc_security_group_egress_rule" "identity_provider" {
  count = local.issuer_port == 443 ? 0 : 1

  security_group_id = aws_security_group.api.id
  description       = "The identity provider"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = local.issuer_port
  to_port           = local.issuer_port
}
