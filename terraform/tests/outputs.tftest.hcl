# What a deployment needs to know.

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

override_resource {
  target          = aws_ecr_repository.operator
  override_during = plan
  values = {
    arn            = "arn:aws:ecr:us-west-2:123456789012:repository/atelier/atelier-operator"
    repository_url = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-operator"
  }
}

run "addresses" {
  command = plan

  assert {
    condition     = output.bucket == "images-bucket" && output.cdn_domain == "d111111abcdef8.cloudfront.net"
    error_message = "Bucket and CDN."
  }

  assert {
    condition     = output.queue_url == "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-jobs" && output.dead_letter_queue_url == "https://sqs.us-west-2.amazonaws.com/123456789012/atelier-dead-letters"
    error_message = "Queues."
  }

  assert {
    condition     = output.api_address == "http://atelier-api-1.us-west-2.elb.amazonaws.com"
    error_message = "API."
  }

  assert {
    condition     = output.repositories == { api = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-api", worker = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-worker", operator = "123456789012.dkr.ecr.us-west-2.amazonaws.com/atelier/atelier-operator" }
    error_message = "Repositories."
  }
}
