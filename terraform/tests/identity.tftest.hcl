# The identity provider reaches the API, and its secrets nobody else.

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
  target          = aws_ecr_repository.service["api"]
  override_during = plan
  values          = { arn = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-api" }
}

override_resource {
  target          = aws_ecr_repository.service["worker"]
  override_during = plan
  values          = { arn = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-worker" }
}

run "without_a_provider" {
  command = plan

  assert {
    condition     = local.services.api.environment.AUTH == "off" && !contains(keys(local.services.api.environment), "AUTH_ISSUER") && length(aws_secretsmanager_secret.identity) == 0
    error_message = "Without a provider the API is open to those who reach it, and there are no secrets."
  }

  assert {
    condition     = local.services.api.environment.TRUSTED_PROXIES == var.vpc_cidr
    error_message = "The load balancer's word on the caller's address counts."
  }
}

run "with_a_provider" {
  command = plan

  variables {
    auth_issuer      = "https://id.example.org"
    auth_client_id   = "atelier"
    auth_environment = { AUTH_ROLES = "teacher=staff" }
    public_url       = "https://atelier.example.org"
  }

  assert {
    condition     = local.services.api.environment.AUTH_ISSUER == "https://id.example.org" && local.services.api.environment.AUTH_CLIENT_ID == "atelier" && local.services.api.environment.AUTH_ROLES == "teacher=staff" && local.services.api.environment.PUBLIC_URL == "https://atelier.example.org" && !contains(keys(local.services.api.environment), "AUTH")
    error_message = "The API has the provider's options, and no AUTH=off beside them."
  }

  assert {
    condition     = join(",", keys(local.services.api.secrets)) == "AUTH_CLIENT_SECRET,SESSION_KEYS" && length(local.services.worker.secrets) == 0
    error_message = "The API has the secrets, and workers do not."
  }

  assert {
    condition     = !anytrue([for name in keys(local.services.worker.environment) : startswith(name, "AUTH")])
    error_message = "Workers have nothing to do with callers."
  }

  assert {
    condition     = contains([for statement in jsondecode(aws_iam_role_policy.instance["api"].policy).Statement : statement.Sid], "IdentitySecrets") && !contains([for statement in jsondecode(aws_iam_role_policy.instance["worker"].policy).Statement : statement.Sid], "IdentitySecrets")
    error_message = "The API may read its secrets, and workers may not."
  }
}

run "with_a_public_client" {
  command = plan

  variables {
    auth_issuer           = "https://id.example.org"
    auth_client_id        = "atelier"
    auth_client_is_public = true
    public_url            = "https://atelier.example.org"
  }

  assert {
    condition     = join(",", keys(aws_secretsmanager_secret.identity)) == "SESSION_KEYS" && join(",", keys(output.identity_secret_arns)) == "SESSION_KEYS"
    error_message = "A public client has no secret."
  }
}

run "the_page_at_the_apis_own_name" {
  command = plan

  variables {
    api_domain     = "pictures.example.org"
    api_zone_id    = "Z0123456789ABC"
    auth_issuer    = "https://id.example.org:8443/realms/school"
    auth_client_id = "atelier"
  }

  override_resource {
    target          = aws_acm_certificate.api
    override_during = plan
    values = {
      arn = "arn:aws:acm:us-west-2:123456789012:certificate/made"
      domain_validation_options = [{
        domain_name           = "pictures.example.org"
        resource_record_name  = "_x.pictures.example.org."
        resource_record_type  = "CNAME"
        resource_record_value = "_y.acm-validations.aws."
      }]
    }
  }

  override_resource {
    target          = aws_acm_certificate_validation.api
    override_during = plan
    values          = { certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/made" }
  }

  assert {
    condition     = local.services.api.environment.PUBLIC_URL == "https://pictures.example.org"
    error_message = "Without a public_url people open the API's own name."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.identity_provider[0].from_port == 8443 && aws_vpc_security_group_egress_rule.identity_provider[0].to_port == 8443
    error_message = "The API reaches its provider at the port of the issuer."
  }
}

run "the_page_at_another_name" {
  command = plan

  variables {
    api_domain          = "pictures.example.org"
    api_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/mine"
    auth_issuer         = "https://id.example.org"
    auth_client_id      = "atelier"
    public_url          = "https://atelier.example.org"
  }

  assert {
    condition     = local.services.api.environment.PUBLIC_URL == "https://atelier.example.org" && output.api_address == "https://pictures.example.org" && length(aws_vpc_security_group_egress_rule.identity_provider) == 0
    error_message = "public_url goes before the API's own name, which clients use."
  }
}
