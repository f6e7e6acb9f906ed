# Jobs and dead letters.

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

run "jobs" {
  command = plan

  assert {
    condition     = aws_sqs_queue.jobs.visibility_timeout_seconds == 60
    error_message = "The visibility is the lease, CLAIM_SECONDS."
  }

  assert {
    condition     = aws_sqs_queue.jobs.message_retention_seconds == 4 * 24 * 3600 && aws_sqs_queue.dead_letters.message_retention_seconds == 14 * 24 * 3600
    error_message = "Jobs are kept 4 days, dead letters 14."
  }

  assert {
    condition     = aws_sqs_queue.jobs.receive_wait_time_seconds == 20 && aws_sqs_queue.dead_letters.receive_wait_time_seconds == 20
    error_message = "Receives are long polls."
  }

  assert {
    condition     = aws_sqs_queue.jobs.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "Both are encrypted."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.jobs.redrive_policy) == { deadLetterTargetArn = "arn:aws:sqs:us-west-2:123456789012:atelier-dead-letters", maxReceiveCount = 1000 }
    error_message = "SQS gives up after 1000 receives."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters.redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:us-west-2:123456789012:atelier-jobs"] }
    error_message = "Only the job queue sends dead letters by redrive."
  }

  assert {
    condition     = alltrue([for policy in aws_sqs_queue_policy.tls_only : one(jsondecode(policy.policy).Statement).Effect == "Deny" && one(jsondecode(policy.policy).Statement).Condition == { Bool = { "aws:SecureTransport" = "false" } }]) && keys(aws_sqs_queue_policy.tls_only) == ["dead_letters", "jobs"]
    error_message = "Whatever comes without TLS is denied."
  }
}

run "claim_and_visibility_are_one" {
  command = plan

  variables {
    claim_seconds = 120
  }

  assert {
    condition     = aws_sqs_queue.jobs.visibility_timeout_seconds == 120
    error_message = "The queue follows CLAIM_SECONDS."
  }

  assert {
    condition     = local.services.worker.environment.CLAIM_SECONDS == "120"
    error_message = "The worker follows it, too."
  }
}
