# Audit and network.

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

override_resource {
  target          = aws_s3_bucket.audit
  override_during = plan
  values = {
    id  = "audit-bucket"
    arn = "arn:aws:s3:::audit-bucket"
  }
}

override_resource {
  target          = aws_kms_key.logs
  override_during = plan
  values = {
    arn = "arn:aws:kms:us-west-2:123456789012:key/logs"
  }
}

run "audit" {
  command = plan

  assert {
    condition     = { for selector in one(aws_cloudtrail.pictures.advanced_event_selector).field_selector : selector.field => coalescelist(selector.equals, selector.starts_with) } == { "eventCategory" = tolist(["Data"]), "resources.type" = tolist(["AWS::S3::Object"]), "resources.ARN" = tolist(["arn:aws:s3:::images-bucket/"]) }
    error_message = "Every data event of the picture bucket is recorded."
  }

  assert {
    condition     = aws_cloudtrail.pictures.s3_bucket_name == "audit-bucket" && aws_cloudtrail.pictures.enable_log_file_validation && aws_cloudtrail.pictures.kms_key_id == "arn:aws:kms:us-west-2:123456789012:key/logs"
    error_message = "The log is encrypted and cannot be changed unseen."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.audit.block_public_acls && aws_s3_bucket_public_access_block.audit.block_public_policy && aws_s3_bucket_public_access_block.audit.ignore_public_acls && aws_s3_bucket_public_access_block.audit.restrict_public_buckets
    error_message = "The audit bucket is private."
  }
}

run "endpoints" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.us-west-2.s3" && length(aws_vpc_endpoint.s3.route_table_ids) > 0
    error_message = "S3 is reached by a gateway endpoint."
  }

  assert {
    condition     = keys(aws_vpc_endpoint.interface) == ["autoscaling", "bedrock-runtime", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "sqs"]
    error_message = "SQS, Bedrock, logs, ECR, secrets and the lifecycle hook are reached by interface endpoints."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.vpc_endpoint_type == "Interface" && endpoint.private_dns_enabled])
    error_message = "Their usual names lead to them."
  }
}

run "models_of_another_region" {
  command = plan

  variables {
    aws_region     = "eu-central-1"
    bedrock_region = "us-west-2"
  }

  assert {
    condition     = !contains(keys(aws_vpc_endpoint.interface), "bedrock-runtime") && length(aws_nat_gateway.this) == 1
    error_message = "Models of another region are reached through NAT."
  }

  assert {
    condition     = local.services.worker.environment.BEDROCK_REGION == "us-west-2" && local.services.worker.environment.AWS_REGION == "eu-central-1"
    error_message = "The worker knows both regions."
  }

  assert {
    condition     = alltrue([for arn in local.model_arns : startswith(arn, "arn:aws:bedrock:us-west-2::foundation-model/")])
    error_message = "The role names the models in their region."
  }
}

run "doors" {
  command = plan

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.callers) == 0
    error_message = "Nobody may call until someone is named."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.api.from_port == 8080 && aws_vpc_security_group_ingress_rule.api.to_port == 8080 && aws_vpc_security_group_ingress_rule.api.cidr_ipv4 == null
    error_message = "The API is reached by its load balancer only."
  }

  assert {
    condition     = { for rule in aws_vpc_security_group_egress_rule.https : rule.from_port => rule.to_port... } == { "443" = [443, 443, 443] }
    error_message = "The services leave by HTTPS,"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.store : rule.from_port == 27015 && rule.to_port == 27019])
    error_message = "and to MongoDB."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch]) && length(aws_subnet.private) == 2 && length(aws_subnet.public) == 2
    error_message = "Two zones; no address is public by itself."
  }

  assert {
    condition     = length(aws_flow_log.this) == 1
    error_message = "Flows are logged."
  }
}

run "callers" {
  command = plan

  variables {
    api_ingress_cidrs = ["203.0.113.7/32"]
    flow_logs         = false
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.callers) == ["203.0.113.7/32-80"] && aws_lb_listener.http[0].default_action[0].type == "forward" && length(aws_lb_listener.https) == 0
    error_message = "Without a certificate a named caller comes by HTTP."
  }
}

run "the_world" {
  command = plan

  variables {
    api_ingress_cidrs          = ["0.0.0.0/0"]
    api_certificate_arn        = "arn:aws:acm:us-west-2:123456789012:certificate/1"
    auth_issuer                = "https://id.example.org"
    auth_client_id             = "atelier"
    public_url                 = "https://atelier.example.org"
    waf_requests_per_5_minutes = 2000
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.callers) == ["0.0.0.0/0-443", "0.0.0.0/0-80"] && aws_lb_listener.http[0].default_action[0].type == "redirect" && aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "With a certificate the world comes by TLS 1.2 or newer."
  }

  assert {
    condition     = startswith(output.api_address, "https://")
    error_message = "The address says so."
  }

  assert {
    condition     = aws_wafv2_web_acl.api[0].rule != null && one(one(one(aws_wafv2_web_acl.api[0].rule).statement).rate_based_statement).limit == 2000 && length(aws_wafv2_web_acl_association.api) == 1
    error_message = "The WAF limits one address."
  }
}

run "nat_in_each_zone" {
  command = plan

  variables {
    zone_count           = 3
    nat_gateway_per_zone = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.nat) == 3
    error_message = "No zone depends on another."
  }
}

run "store_url" {
  command = plan

  assert {
    condition     = length(aws_secretsmanager_secret.store_url) == 1 && output.store_url_secret_arn == "arn:aws:secretsmanager:us-west-2:123456789012:secret:atelier/store-url-AbCdEf"
    error_message = "The store's address is a secret."
  }
}

run "store_url_of_ones_own" {
  command = plan

  variables {
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
  }

  assert {
    condition     = length(aws_secretsmanager_secret.store_url) == 0 && output.store_url_secret_arn == "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
    error_message = "A secret of one's own is used."
  }
}
