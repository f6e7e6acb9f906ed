# What a first apply and a first release need: a name, a subject, roles, and a way in for the smoke test.

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

override_resource {
  target          = aws_eip.nat
  override_during = plan
  values          = { public_ip = "198.51.100.7" }
}

override_resource {
  target          = aws_sqs_queue.jobs
  override_during = plan
  values = {
    id  = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-jobs"
    url = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-jobs"
    arn = "arn:aws:sqs:us-west-2:123456789012:atelier-jobs"
  }
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

run "a_name_in_a_zone_gets_its_record_and_certificate" {
  command = plan

  variables {
    api_domain        = "pictures.example.org"
    api_zone_id       = "Z0123456789ABC"
    api_ingress_cidrs = ["0.0.0.0/0"]
    auth_issuer       = "https://id.example.org"
    auth_client_id    = "atelier"
  }

  assert {
    condition     = output.api_address == "https://pictures.example.org" && output.smoke_from == "outside"
    error_message = "The smoke test asks the name that the certificate is for, from outside where everybody may call."
  }

  assert {
    condition     = aws_acm_certificate.api[0].domain_name == "pictures.example.org" && aws_route53_record.api_validation["pictures.example.org"].type == "CNAME" && aws_lb_listener.https[0].certificate_arn == "arn:aws:acm:us-west-2:123456789012:certificate/made"
    error_message = "The listener has the certificate that was made."
  }

  assert {
    condition     = aws_route53_record.api[0].name == "pictures.example.org" && one(aws_route53_record.api[0].alias).name == "atelier-api-1.us-west-2.elb.amazonaws.com"
    error_message = "The name leads to the load balancer."
  }

  assert {
    condition     = local.services.api.environment.PUBLIC_URL == "https://pictures.example.org" && contains(split(",", local.services.api.environment.ALLOWED_HOSTS), "pictures.example.org")
    error_message = "The API knows its own name."
  }

  assert {
    condition     = local.services.api.environment.AUTH_ISSUER == "https://id.example.org" && !contains(keys(local.services.api.environment), "AUTH") && keys(local.services.api.secrets) == ["AUTH_CLIENT_SECRET", "SESSION_KEYS"] && length(aws_wafv2_web_acl.api) == 1
    error_message = "An open API starts: it has its provider, its secrets and a WAF, and no AUTH=off."
  }
}

run "a_name_with_a_certificate_of_ones_own" {
  command = plan

  variables {
    api_domain          = "pictures.example.org"
    api_certificate_arn = "arn:aws:acm:us-west-2:123456789012:certificate/mine"
    api_ingress_cidrs   = ["203.0.113.7/32"]
  }

  assert {
    condition     = output.api_address == "https://pictures.example.org" && length(aws_acm_certificate.api) == 0 && length(aws_route53_record.api) == 0 && aws_lb_listener.https[0].certificate_arn == "arn:aws:acm:us-west-2:123456789012:certificate/mine"
    error_message = "Nothing is put into a zone that is not named."
  }

  assert {
    condition     = output.smoke_from == "inside"
    error_message = "No runner is in a narrow range, so the smoke test runs inside."
  }

  assert {
    condition     = { for key, rule in aws_vpc_security_group_ingress_rule.by_nat : key => "${rule.cidr_ipv4} ${rule.from_port}" } == { "us-west-2a-443" = "198.51.100.7/32 443", "us-west-2a-80" = "198.51.100.7/32 80" }
    error_message = "What calls from inside comes by NAT, and may."
  }
}

run "an_internal_load_balancer" {
  command = plan

  variables {
    api_internal      = true
    api_ingress_cidrs = ["10.0.0.0/8"]
  }

  assert {
    condition     = aws_lb.api[0].internal && length(aws_vpc_security_group_ingress_rule.by_nat) == 0 && keys(aws_vpc_security_group_ingress_rule.operator) == ["80"]
    error_message = "It has no public address; the smoke test comes by its security group."
  }

  assert {
    condition     = output.smoke_from == "inside"
    error_message = "Nobody reaches it from outside."
  }
}

run "cloudfront_before_the_api" {
  command = plan

  variables {
    api_cdn        = true
    auth_issuer    = "https://id.example.org"
    auth_client_id = "atelier"
  }

  assert {
    condition     = aws_lb.api[0].internal && length(aws_vpc_security_group_ingress_rule.by_nat) == 0 && length(aws_vpc_security_group_ingress_rule.callers) == 0
    error_message = "The load balancer has no public address, and nobody is let in but CloudFront and the operator's task."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.cloudfront[0].prefix_list_id == "pl-cloudfront" && aws_vpc_security_group_ingress_rule.cloudfront[0].from_port == 80
    error_message = "CloudFront comes by the one port that its origin names: its list is nearly as long as a group may have rules."
  }

  assert {
    condition     = one(aws_cloudfront_vpc_origin.api[0].vpc_origin_endpoint_config).arn == aws_lb.api[0].arn && one(aws_cloudfront_vpc_origin.api[0].vpc_origin_endpoint_config).origin_protocol_policy == "http-only"
    error_message = "The origin is the load balancer, which has no certificate here."
  }

  assert {
    condition     = one(one(aws_cloudfront_distribution.api[0].origin).vpc_origin_config).vpc_origin_id == "vo-api" && one(aws_cloudfront_distribution.api[0].default_cache_behavior).viewer_protocol_policy == "redirect-to-https" && contains(one(aws_cloudfront_distribution.api[0].default_cache_behavior).allowed_methods, "DELETE")
    error_message = "All calls go to the API, by TLS."
  }

  assert {
    condition     = output.api_address == "https://d111111abcdef8.cloudfront.net" && output.smoke_from == "outside" && local.services.api.environment.PUBLIC_URL == output.api_address && contains(split(",", local.services.api.environment.ALLOWED_HOSTS), "d111111abcdef8.cloudfront.net")
    error_message = "CloudFront's name is the API's, which knows it."
  }

  assert {
    condition     = length(aws_wafv2_web_acl.api) == 0 && aws_wafv2_web_acl.api_cdn[0].scope == "CLOUDFRONT" && one(one(one(aws_wafv2_web_acl.api_cdn[0].rule).statement).rate_based_statement).limit == 10000
    error_message = "The firewall is where the callers' addresses are seen."
  }
}

run "cloudfront_before_the_api_with_a_name_in_a_zone" {
  command = plan

  variables {
    api_cdn                  = true
    api_domain               = "pictures.example.org"
    api_zone_id              = "Z0123456789ABC"
    auth_issuer              = "https://id.example.org"
    auth_client_id           = "atelier"
    smoke_api_key_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:smoke-AbCdEf"
  }

  assert {
    condition     = one(aws_cloudfront_distribution.api[0].viewer_certificate).ssl_support_method == "sni-only" && aws_cloudfront_distribution.api[0].aliases == toset(["pictures.example.org"]) && length(aws_acm_certificate.api_cdn) == 1
    error_message = "CloudFront shows a certificate of the name, made in us-east-1."
  }

  assert {
    condition     = one(aws_route53_record.api[0].alias).name == "d111111abcdef8.cloudfront.net"
    error_message = "The name leads to CloudFront, not to the load balancer."
  }

  assert {
    condition     = one(aws_cloudfront_vpc_origin.api[0].vpc_origin_endpoint_config).origin_protocol_policy == "https-only" && aws_vpc_security_group_ingress_rule.cloudfront[0].from_port == 443
    error_message = "Behind CloudFront is TLS as well, where the load balancer has a certificate."
  }

  assert {
    condition     = output.api_address == "https://pictures.example.org" && output.smoke_from == "inside"
    error_message = "The smoke test runs where its key is: in the operator's task."
  }
}

run "a_subject_with_ids" {
  command = plan

  variables {
    github_repository  = "school/atelier"
    github_environment = "production"
    github_subject     = "repo:school@123456/atelier@456789:environment:production"
  }

  assert {
    condition     = one(jsondecode(aws_iam_role.deploy.assume_role_policy).Statement).Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:school@123456/atelier@456789:environment:production"
    error_message = "The deploy role trusts the subject that the repository sends."
  }

  assert {
    condition     = one(jsondecode(aws_iam_role.plan.assume_role_policy).Statement).Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:school@123456/atelier@456789:environment:plan-production"
    error_message = "A pull request's plan has an environment and a role of its own."
  }
}

run "the_deploy_role_can_end_a_release" {
  command = plan

  variables {
    github_repository      = "school/atelier"
    terraform_state_bucket = "state"
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.deploy_release.policy).Statement : statement.Condition if contains(flatten([statement.Action]), "ec2:CreateTags")] == [{ StringEquals = { "ec2:CreateAction" = "RunInstances" } }]
    error_message = "CreateTags knows ec2:CreateAction, and no ec2:LaunchTemplate."
  }

  assert {
    condition     = aws_iam_role.deploy.max_session_duration >= 150 * 60
    error_message = "The role outlives the job."
  }

  assert {
    condition     = length(setsubtract(["RunTheOperatorsTask", "WaitForTheOperatorsTask", "HandOnTheOperatorsRoles", "ReadTheOperatorsLog"], [for statement in jsondecode(aws_iam_role_policy.deploy_release.policy).Statement : statement.Sid])) == 0
    error_message = "It may run the smoke test inside."
  }
}

run "a_cluster_by_irsa" {
  command = plan

  variables {
    fleet                        = "none"
    kubernetes_namespace         = "pictures"
    kubernetes_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
  }

  assert {
    condition = jsondecode(aws_iam_role.worker.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:aud" = "sts.amazonaws.com"
        "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub" = "system:serviceaccount:pictures:atelier-worker"
      } }
    }]
    error_message = "The worker's service account takes the worker's role, and no other does."
  }

  assert {
    condition     = length(module.ec2_fleet) == 0 && length(module.ecs_fleet) == 0 && length(aws_lb.api) == 0 && length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_vpc_endpoint.interface) == 0 && length(aws_flow_log.this) == 0
    error_message = "Nothing that costs by the hour is made."
  }

  assert {
    condition     = one(jsondecode(aws_iam_role_policy.keda[0].policy).Statement).Action == "sqs:GetQueueAttributes" && length(aws_eks_pod_identity_association.this) == 0
    error_message = "KEDA's operator asks the queue how long it is."
  }

  assert {
    condition     = output.api_address == null && output.operator == null && output.bucket != null
    error_message = "What a cluster uses is there; what it brings itself is not."
  }
}

run "a_cluster_by_pod_identity" {
  command = plan

  variables {
    fleet                   = "none"
    kubernetes_cluster_name = "school"
  }

  assert {
    condition     = one(jsondecode(aws_iam_role.api.assume_role_policy).Statement).Principal == { Service = "pods.eks.amazonaws.com" } && one(jsondecode(aws_iam_role.api.assume_role_policy).Statement).Action == ["sts:AssumeRole", "sts:TagSession"]
    error_message = "Pod Identity takes the role and tags its session."
  }

  assert {
    condition = one(jsondecode(aws_iam_role.api.assume_role_policy).Statement).Condition.StringEquals == {
      "aws:SourceAccount"                         = "123456789012"
      "aws:RequestTag/eks-cluster-name"           = "school"
      "aws:RequestTag/kubernetes-namespace"       = "atelier"
      "aws:RequestTag/kubernetes-service-account" = "atelier-api"
    }
    error_message = "For one service account of one cluster."
  }

  assert {
    condition     = keys(aws_eks_pod_identity_association.this) == ["atelier/atelier-api", "atelier/atelier-worker", "keda/keda-operator"]
    error_message = "Each account is joined to its role."
  }
}
