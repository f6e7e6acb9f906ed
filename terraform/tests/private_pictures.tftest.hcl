# Private pictures: a key group before every picture, and the private key for the API alone.

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

override_resource {
  target          = aws_cloudfront_public_key.pictures["4ded7515d196"]
  override_during = plan
  values          = { id = "KNEW" }
}

override_resource {
  target          = aws_cloudfront_public_key.pictures["5a28fedfdc96"]
  override_during = plan
  values          = { id = "KOLD" }
}

override_resource {
  target          = aws_secretsmanager_secret.picture_private_key
  override_during = plan
  values          = { arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:atelier/picture-private-key-AbCdEf" }
}

override_resource {
  target          = aws_cloudfront_key_group.pictures
  override_during = plan
  values          = { id = "key-group" }
}

run "public_without_keys" {
  command = plan

  assert {
    condition     = length(aws_cloudfront_key_group.pictures) == 0 && length(aws_secretsmanager_secret.picture_private_key) == 0 && output.picture_key_id == null
    error_message = "Nothing is made where nobody asked for it."
  }

  assert {
    condition     = length(coalesce(one(aws_cloudfront_distribution.images.default_cache_behavior).trusted_key_groups, [])) == 0
    error_message = "Readers need no signature."
  }

  assert {
    condition     = !contains(keys(local.services.api.environment), "CLOUDFRONT_KEY_ID")
    error_message = "The API signs nothing."
  }
}

run "private_with_keys" {
  command = plan

  variables {
    picture_public_keys = ["-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqwRn7RfofoxK61os3C1G\nvoTUiIwLidd8luZPtWw5gxOWaZK+T+YXYwSQQvp4DY5aA/dhZsF1x7vKlPIlcluA\ne2bRbnaav0xAtIeCPoxi3L3iVOkPLJD+GdperxIaboZ/B2CuwMmYg7DTD/WnCl3Q\nzZHXZqYB9SppPsvMHsFPhFCYqI5qkzi7SwbSW0dqrhhC0p/4ghcu+onDsyHUH6eN\nhx9V7mWwJEwN7+4o+EiuGEmWZsaypcYM33ZwapeLgRxMc60bv/WaYBrP6FCLVf93\nVlYScRKLLVgV4qMfU5Lm3moB6q+WnC3fNZL9OJmFZ2fjMADI9irfnBs/lwPD+lIe\nTQIDAQAB\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAjRzBrLfljSvkU15sbC04\nSfWH5FpXb55yiLue7GuKKPAbD4z2Me7dgM25kuoRSrxE5lC4nH5XYHBAwAguGJzu\nF+gnkH+8XGjOIfS2XGfkvfeLWVY8KlE5npm+kAjdfoBI+dkVFsn5N8XlDDEEXVQJ\nNh9yf+bG5CbMBWT3KVn8Fds8T/IkU+pRf5f+e2fEKQ2k1NnwCGdsSNgR5KAzTbjz\nASkBx6j/NAbiqZOoB0pGgtDYOogOyiqEu+sjzUTG0te2w69AKPPwpHC2lnlgphuU\nueiwnb9r7qhuOSumY3ZbpolTgenZ8QSnfmG7609au6lEAalfK3TDn3/I9ZTg6Eay\nvQIDAQAB\n-----END PUBLIC KEY-----\n"]
  }

  assert {
    condition     = one(aws_cloudfront_distribution.images.default_cache_behavior).trusted_key_groups == tolist(["key-group"])
    error_message = "Every picture needs a signature."
  }

  assert {
    condition     = aws_cloudfront_key_group.pictures[0].items == toset(["KNEW", "KOLD"])
    error_message = "What the old key signed is served while keys are rotated."
  }

  assert {
    condition     = local.services.api.environment.CLOUDFRONT_KEY_ID == "KNEW" && output.picture_key_id == "KNEW"
    error_message = "The first key signs."
  }

  assert {
    condition     = !contains(keys(local.services.worker.environment), "CLOUDFRONT_KEY_ID") && join(",", keys(local.picture_secrets)) == "CLOUDFRONT_PRIVATE_KEY"
    error_message = "Workers sign nothing; the private key is a secret."
  }

  assert {
    condition = { for service, policy in aws_iam_role_policy.instance : service => contains(flatten([for statement in jsondecode(policy.policy).Statement : statement.Resource]), "arn:aws:secretsmanager:us-west-2:123456789012:secret:atelier/picture-private-key-AbCdEf") } == {
      api    = true
      worker = false
    }
    error_message = "The API's instances alone read the private key."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.images.ordered_cache_behavior).path_pattern == "/placeholder.svg" && length(coalesce(one(aws_cloudfront_distribution.images.ordered_cache_behavior).trusted_key_groups, [])) == 0
    error_message = "The placeholder is shown to everybody."
  }

  assert {
    condition     = [for response in aws_cloudfront_distribution.images.custom_error_response : response.response_code if response.error_code == 403] == [403]
    error_message = "An address without a signature is forbidden."
  }

  assert {
    condition     = one(one(aws_cloudfront_cache_policy.images.parameters_in_cache_key_and_forwarded_to_origin).query_strings_config).query_string_behavior == "none"
    error_message = "The signature is not part of the cache key."
  }
}

run "fargate_starts_with_the_key" {
  command = plan

  variables {
    fleet               = "ecs"
    picture_public_keys = ["-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqwRn7RfofoxK61os3C1G\nvoTUiIwLidd8luZPtWw5gxOWaZK+T+YXYwSQQvp4DY5aA/dhZsF1x7vKlPIlcluA\ne2bRbnaav0xAtIeCPoxi3L3iVOkPLJD+GdperxIaboZ/B2CuwMmYg7DTD/WnCl3Q\nzZHXZqYB9SppPsvMHsFPhFCYqI5qkzi7SwbSW0dqrhhC0p/4ghcu+onDsyHUH6eN\nhx9V7mWwJEwN7+4o+EiuGEmWZsaypcYM33ZwapeLgRxMc60bv/WaYBrP6FCLVf93\nVlYScRKLLVgV4qMfU5Lm3moB6q+WnC3fNZL9OJmFZ2fjMADI9irfnBs/lwPD+lIe\nTQIDAQAB\n-----END PUBLIC KEY-----"]
  }

  assert {
    condition     = contains(flatten([for statement in jsondecode(aws_iam_role_policy.execution[0].policy).Statement : statement.Resource]), "arn:aws:secretsmanager:us-west-2:123456789012:secret:atelier/picture-private-key-AbCdEf")
    error_message = "ECS's agent reads the private key."
  }
}
