# Who may do what: only the actions used, on the named bucket, queues and models.

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
  target          = aws_sqs_queue.jobs
  override_during = plan
  values = {
    id  = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-jobs"
    url = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-jobs"
    arn = "arn:aws:sqs:us-west-2:123456789012:atelier-jobs"
  }
}

override_resource {
  target          = aws_sqs_queue.dead_letters
  override_during = plan
  values = {
    id  = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-dead-letters"
    url = "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-dead-letters"
    arn = "arn:aws:sqs:us-west-2:123456789012:atelier-dead-letters"
  }
}

override_resource {
  target          = aws_iam_role.api
  override_during = plan
  values = {
    id  = "atelier-api"
    arn = "arn:aws:iam::123456789012:role/atelier-api"
  }
}

override_resource {
  target          = aws_iam_role.worker
  override_during = plan
  values = {
    id  = "atelier-worker"
    arn = "arn:aws:iam::123456789012:role/atelier-worker"
  }
}

override_resource {
  target          = aws_ecr_repository.operator
  override_during = plan
  values = {
    arn            = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-operator"
    repository_url = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-operator"
  }
}

override_resource {
  target          = aws_ecr_repository.service["api"]
  override_during = plan
  values = {
    arn            = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-api"
    repository_url = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-api"
  }
}

override_resource {
  target          = aws_ecr_repository.service["worker"]
  override_during = plan
  values = {
    arn            = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-worker"
    repository_url = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-worker"
  }
}

# Feature: s3-image-storage, Property 7: IAM role permissions
run "worker_uses_the_bucket" {
  command = plan

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.worker_pictures[0].policy).Statement : statement.Action])) == toset(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:PutObjectTagging"])
    error_message = "The worker puts, gets, deletes, lists and tags."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.worker_pictures[0].policy).Statement : statement if statement.Sid == "Pictures"]).Resource == "arn:aws:s3:::images-bucket/generated_images/*" && one([for statement in jsondecode(aws_iam_role_policy.worker_pictures[0].policy).Statement : statement if statement.Sid == "Bucket"]).Resource == "arn:aws:s3:::images-bucket"
    error_message = "On the pictures of this bucket only."
  }

  assert {
    condition     = aws_iam_role_policy.worker_pictures[0].role == "atelier-worker"
    error_message = "The policy is the worker role's."
  }
}

# Feature: s3-image-storage, Property 28: Auto-scaling S3 access
run "every_new_instance_has_the_role" {
  command = plan

  assert {
    condition     = module.ec2_fleet["worker"].role_name == aws_iam_role.worker.name && module.ec2_fleet["api"].role_name == aws_iam_role.api.name
    error_message = "Every instance that a group launches bears its service's role."
  }

  assert {
    condition     = jsondecode(aws_iam_role.worker.assume_role_policy).Statement[*].Principal.Service == ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]
    error_message = "An instance may take the role."
  }

  assert {
    condition     = contains(flatten([for statement in jsondecode(aws_vpc_endpoint.s3.policy).Statement : statement.Resource]), "arn:aws:s3:::images-bucket/*")
    error_message = "The network lets it reach the bucket."
  }
}

run "api_uses_the_bucket" {
  command = plan

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.api_pictures[0].policy).Statement : statement.Action])) == toset(["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"])
    error_message = "The API reads, tags and deletes every version; it puts nothing."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.api_pictures[0].policy).Statement : statement if statement.Sid == "Pictures"]).Resource == "arn:aws:s3:::images-bucket/generated_images/*" && one([for statement in jsondecode(aws_iam_role_policy.api_pictures[0].policy).Statement : statement if statement.Sid == "Bucket"]).Resource == "arn:aws:s3:::images-bucket"
    error_message = "On the pictures of this bucket only."
  }
}

run "queues_and_models" {
  command = plan

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "Jobs"]).Resource == "arn:aws:sqs:us-west-2:123456789012:atelier-jobs" && toset(one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "Jobs"]).Action) == toset(["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"])
    error_message = "The worker takes jobs from the job queue."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "DeadLetters"]).Resource == "arn:aws:sqs:us-west-2:123456789012:atelier-dead-letters" && one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "DeadLetters"]).Action == "sqs:SendMessage"
    error_message = "The worker sends dead letters."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "Models"]).Action == "bedrock:InvokeModel" && toset(one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement if statement.Sid == "Models"]).Resource) == toset([for model in ["stability.stable-image-core-v1:1", "stability.sd3-5-large-v1:0", "stability.stable-image-ultra-v1:1"] : "arn:aws:bedrock:us-west-2::foundation-model/${model}"])
    error_message = "The worker invokes the named models."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement.Condition if statement.Sid == "MarketplaceKnowsNoResource"]) == { StringEquals = { "aws:CalledViaLast" = "bedrock.amazonaws.com" } }
    error_message = "Only Bedrock subscribes to a model in its name."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.api.policy).Statement : statement if statement.Sid == "Jobs"]).Resource == "arn:aws:sqs:us-west-2:123456789012:atelier-jobs" && toset(one([for statement in jsondecode(aws_iam_role_policy.api.policy).Statement : statement if statement.Sid == "Jobs"]).Action) == toset(["sqs:GetQueueAttributes", "sqs:SendMessage"])
    error_message = "The API sends jobs."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.api.policy).Statement : statement if statement.Sid == "Forget"]) == { Sid = "Forget", Effect = "Allow", Action = "cloudfront:CreateInvalidation", Resource = "arn:aws:cloudfront::123456789012:distribution/E0EXAMPLE" }
    error_message = "The API makes this CDN forget what was deleted."
  }
}

run "nothing_is_granted_on_everything" {
  command = plan

  assert {
    condition = toset(flatten([
      for policy in concat(aws_iam_role_policy.api_pictures[*].policy, aws_iam_role_policy.worker_pictures[*].policy, [aws_iam_role_policy.api.policy, aws_iam_role_policy.worker.policy], values(aws_iam_role_policy.telemetry)[*].policy, values(aws_iam_role_policy.instance)[*].policy, aws_iam_role_policy.execution[*].policy, [aws_iam_role_policy.deploy_images.policy, aws_iam_role_policy.deploy_release.policy, aws_iam_role_policy.deploy_plan.policy, aws_iam_role_policy.operator.policy], aws_iam_role_policy.operator_start[*].policy) : [
        for statement in jsondecode(policy).Statement : statement.Sid if contains(flatten([statement.Resource]), "*")
      ]
    ])) == toset(["DescribesKnowNoResource", "MarketplaceKnowsNoResource", "RegistryLoginKnowsNoResource", "TracesKnowNoResource"])
    error_message = "Only what AWS gives no name to is granted on all resources."
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(aws_iam_role_policy.api_pictures[*].policy, aws_iam_role_policy.worker_pictures[*].policy, [aws_iam_role_policy.api.policy, aws_iam_role_policy.worker.policy], values(aws_iam_role_policy.telemetry)[*].policy, values(aws_iam_role_policy.instance)[*].policy, aws_iam_role_policy.execution[*].policy, [aws_iam_role_policy.deploy_images.policy, aws_iam_role_policy.deploy_release.policy, aws_iam_role_policy.deploy_plan.policy, aws_iam_role_policy.operator.policy], aws_iam_role_policy.operator_start[*].policy) : [
        for statement in jsondecode(policy).Statement : [for action in flatten([statement.Action]) : !endswith(action, ":*") && action != "*"]
      ]
    ]))
    error_message = "No statement grants a whole service."
  }
}

run "ec2_has_no_scaling_targets_of_ecs" {
  command = plan

  assert {
    condition     = !contains([for statement in jsondecode(aws_iam_role_policy.deploy_plan.policy).Statement : statement.Sid], "ScalingTargets")
    error_message = "Where nothing is on ECS, nothing of it is granted."
  }
}

run "nothing_is_granted_on_everything_on_ecs" {
  command = plan

  variables {
    fleet = "ecs"
  }

  assert {
    condition = toset(flatten([
      for policy in concat(aws_iam_role_policy.api_pictures[*].policy, aws_iam_role_policy.worker_pictures[*].policy, [aws_iam_role_policy.api.policy, aws_iam_role_policy.worker.policy], values(aws_iam_role_policy.telemetry)[*].policy, values(aws_iam_role_policy.instance)[*].policy, aws_iam_role_policy.execution[*].policy, [aws_iam_role_policy.deploy_images.policy, aws_iam_role_policy.deploy_release.policy, aws_iam_role_policy.deploy_plan.policy, aws_iam_role_policy.operator.policy], aws_iam_role_policy.operator_start[*].policy) : [
        for statement in jsondecode(policy).Statement : statement.Sid if contains(flatten([statement.Resource]), "*")
      ]
    ])) == toset(["DescribesKnowNoResource", "MarketplaceKnowsNoResource", "RegistryLoginKnowsNoResource", "TracesKnowNoResource"])
    error_message = "Only what AWS gives no name to is granted on all resources."
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(aws_iam_role_policy.api_pictures[*].policy, aws_iam_role_policy.worker_pictures[*].policy, [aws_iam_role_policy.api.policy, aws_iam_role_policy.worker.policy], values(aws_iam_role_policy.telemetry)[*].policy, values(aws_iam_role_policy.instance)[*].policy, aws_iam_role_policy.execution[*].policy, [aws_iam_role_policy.deploy_images.policy, aws_iam_role_policy.deploy_release.policy, aws_iam_role_policy.deploy_plan.policy, aws_iam_role_policy.operator.policy], aws_iam_role_policy.operator_start[*].policy) : [
        for statement in jsondecode(policy).Statement : [for action in flatten([statement.Action]) : !endswith(action, ":*") && action != "*"]
      ]
    ]))
    error_message = "No statement grants a whole service."
  }

  assert {
    condition     = one(jsondecode(aws_iam_role.worker.assume_role_policy).Statement) == { Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole", Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } } }
    error_message = "A task of this account may take the role."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.deploy_plan.policy).Statement : statement if statement.Sid == "ScalingTargets"] == [{
      Sid      = "ScalingTargets"
      Effect   = "Allow"
      Action   = "application-autoscaling:ListTagsForResource"
      Resource = "arn:aws:application-autoscaling:us-west-2:123456789012:scalable-target/*"
    }]
    error_message = "A plan reads the tags of the scaling targets, as the provider does."
  }
}

run "rollback_removes_the_s3_permissions" {
  command = plan

  variables {
    s3_permissions = false
  }

  assert {
    condition     = length(aws_iam_role_policy.api_pictures) == 0 && length(aws_iam_role_policy.worker_pictures) == 0
    error_message = "The roles lose the bucket."
  }

  assert {
    condition     = !anytrue([for action in flatten([for policy in concat(aws_iam_role_policy.api_pictures[*].policy, aws_iam_role_policy.worker_pictures[*].policy, [aws_iam_role_policy.api.policy, aws_iam_role_policy.worker.policy], values(aws_iam_role_policy.telemetry)[*].policy, values(aws_iam_role_policy.instance)[*].policy, aws_iam_role_policy.execution[*].policy) : [for statement in jsondecode(policy).Statement : statement.Action]]) : startswith(action, "s3:")])
    error_message = "No other policy of a service grants S3."
  }

  assert {
    condition     = aws_s3_bucket.images.bucket_prefix == "education-portal-images-"
    error_message = "The bucket stays."
  }
}

run "store_url_under_aws_own_key" {
  command = plan

  variables {
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
  }

  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.instance : [for statement in jsondecode(policy.policy).Statement : statement.Resource if statement.Sid == "StoreUrl"] == ["arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"]])
    error_message = "The given secret may be read."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.instance : !contains([for statement in jsondecode(policy.policy).Statement : statement.Sid], "StoreUrlKey")])
    error_message = "AWS's own key needs no statement."
  }
}

run "store_url_under_ones_own_key" {
  command = plan

  variables {
    store_url_secret_arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:mine"
    store_url_key_arn    = "arn:aws:kms:us-west-2:123456789012:key/99999999-2222-3333-4444-555555555555"
  }

  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.instance : [for statement in jsondecode(policy.policy).Statement : statement.Resource if statement.Sid == "StoreUrlKey"] == ["arn:aws:kms:us-west-2:123456789012:key/99999999-2222-3333-4444-555555555555"]])
    error_message = "The given key may decrypt it, and no other."
  }
}

run "deploy_without_github" {
  command = plan

  assert {
    condition     = one(jsondecode(aws_iam_role.deploy.assume_role_policy).Statement).Principal == { AWS = "arn:aws:iam::123456789012:root" } && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Without a repository the role is the account's own."
  }
}

run "deploy_by_oidc" {
  command = plan

  variables {
    github_repository  = "school/atelier"
    github_environment = "production"
  }

  assert {
    condition     = one(jsondecode(aws_iam_role.deploy.assume_role_policy).Statement).Action == "sts:AssumeRoleWithWebIdentity" && one(jsondecode(aws_iam_role.deploy.assume_role_policy).Statement).Condition.StringEquals == { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com", "token.actions.githubusercontent.com:sub" = "repo:school/atelier:environment:production" }
    error_message = "Only the approved environment of this repository takes the role, without a key."
  }

  assert {
    condition     = one(aws_iam_openid_connect_provider.github).url == "https://token.actions.githubusercontent.com"
    error_message = "GitHub's identity provider is known."
  }

  assert {
    condition     = toset(one([for statement in jsondecode(aws_iam_role_policy.deploy_images.policy).Statement : statement if statement.Sid == "Push"]).Resource) == toset(["arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-api", "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-worker", "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-operator"])
    error_message = "It pushes to the two repositories."
  }

  assert {
    condition     = toset(one([for statement in jsondecode(aws_iam_role_policy.deploy_release.policy).Statement : statement if statement.Sid == "HandOnTheServicesRoles"]).Resource) == toset(["arn:aws:iam::123456789012:role/atelier-api", "arn:aws:iam::123456789012:role/atelier-worker"])
    error_message = "It hands on the services' roles and no other."
  }
}

run "a_pull_request_plans_with_a_role_that_reads" {
  command = plan

  variables {
    github_repository      = "school/atelier"
    terraform_state_bucket = "state"
  }

  assert {
    condition = alltrue(flatten([for policy in [aws_iam_role_policy.plan.policy, aws_iam_role_policy.plan_state[0].policy] : [
      for action in flatten([for statement in jsondecode(policy).Statement : statement.Action]) : can(regex("^[a-z0-9-]+:(Get|List|Describe)", action))
    ]]))
    error_message = "It changes nothing, not even the state."
  }
}

run "inference_profiles" {
  command = plan

  variables {
    bedrock_models = [
      "us.stability.stable-image-core-v1:1",
      "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.sd3-5-large-v1:0",
      "stability.stable-image-ultra-v1:1",
    ]
  }

  assert {
    condition = toset(local.model_arns) == toset([
      "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.stable-image-core-v1:1",
      "arn:aws:bedrock:*::foundation-model/stability.stable-image-core-v1:1",
      "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.stability.sd3-5-large-v1:0",
      "arn:aws:bedrock:*::foundation-model/stability.sd3-5-large-v1:0",
      "arn:aws:bedrock:us-west-2::foundation-model/stability.stable-image-ultra-v1:1",
    ])
    error_message = "A profile needs its own permission and its model's in every region."
  }
}
