# The guardrail: named to the workers, and theirs to apply.

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

run "none_unless_named" {
  command = plan

  assert {
    condition     = !contains(keys(local.services.worker.environment), "GUARDRAIL_ID") && !contains(flatten([for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement.Action]), "bedrock:ApplyGuardrail")
    error_message = "No guardrail, no permission."
  }
}

run "by_id" {
  command = plan

  variables {
    guardrail_id      = "ab12cd34"
    guardrail_version = "3"
  }

  assert {
    condition     = local.services.worker.environment.GUARDRAIL_ID == "ab12cd34" && local.services.worker.environment.GUARDRAIL_VERSION == "3" && !contains(keys(local.services.api.environment), "GUARDRAIL_ID")
    error_message = "The workers apply it."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement.Resource if statement.Action == "bedrock:ApplyGuardrail"] == ["arn:aws:bedrock:us-west-2:123456789012:guardrail/ab12cd34"]
    error_message = "This guardrail and no other."
  }
}

run "by_arn" {
  command = plan

  variables {
    guardrail_id      = "arn:aws:bedrock:us-west-2:999988887777:guardrail/ab12cd34"
    guardrail_version = "DRAFT"
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.worker.policy).Statement : statement.Resource if statement.Action == "bedrock:ApplyGuardrail"] == ["arn:aws:bedrock:us-west-2:999988887777:guardrail/ab12cd34"]
    error_message = "Another account may share it."
  }
}
