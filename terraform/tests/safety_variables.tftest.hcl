# Wrong keys of pictures and wrong guardrails are refused, each with a sentence (variables.tf).

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/mocks"
}

run "picture_public_keys_no_pem" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    picture_public_keys = ["key"]
  }

  expect_failures = [var.picture_public_keys]
}

run "picture_public_keys_private" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    picture_public_keys = ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
  }

  expect_failures = [var.picture_public_keys]
}

run "picture_public_keys_short" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    picture_public_keys = ["-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCY0+b9fq6itN6loxNtSuuF/ZpD\nYL66fj1fIebVzeAJzvHWVO5mHgsohm069IVYoa0r47J4tW+eRprBC+0pgcFurAor\nrtNQv+LGR5nwwQZNB2e5XO735gTsLOZRydTnNiyTJft0JtMzI4SAwSOywEeLgkGX\n9xz/BkJ6eAcnjIk6cwIDAQAB\n-----END PUBLIC KEY-----"]
  }

  expect_failures = [var.picture_public_keys]
}

run "picture_public_keys_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    picture_public_keys = ["-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqwRn7RfofoxK61os3C1G\nvoTUiIwLidd8luZPtWw5gxOWaZK+T+YXYwSQQvp4DY5aA/dhZsF1x7vKlPIlcluA\ne2bRbnaav0xAtIeCPoxi3L3iVOkPLJD+GdperxIaboZ/B2CuwMmYg7DTD/WnCl3Q\nzZHXZqYB9SppPsvMHsFPhFCYqI5qkzi7SwbSW0dqrhhC0p/4ghcu+onDsyHUH6eN\nhx9V7mWwJEwN7+4o+EiuGEmWZsaypcYM33ZwapeLgRxMc60bv/WaYBrP6FCLVf93\nVlYScRKLLVgV4qMfU5Lm3moB6q+WnC3fNZL9OJmFZ2fjMADI9irfnBs/lwPD+lIe\nTQIDAQAB\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqwRn7RfofoxK61os3C1G\nvoTUiIwLidd8luZPtWw5gxOWaZK+T+YXYwSQQvp4DY5aA/dhZsF1x7vKlPIlcluA\ne2bRbnaav0xAtIeCPoxi3L3iVOkPLJD+GdperxIaboZ/B2CuwMmYg7DTD/WnCl3Q\nzZHXZqYB9SppPsvMHsFPhFCYqI5qkzi7SwbSW0dqrhhC0p/4ghcu+onDsyHUH6eN\nhx9V7mWwJEwN7+4o+EiuGEmWZsaypcYM33ZwapeLgRxMc60bv/WaYBrP6FCLVf93\nVlYScRKLLVgV4qMfU5Lm3moB6q+WnC3fNZL9OJmFZ2fjMADI9irfnBs/lwPD+lIe\nTQIDAQAB\n-----END PUBLIC KEY-----\n"]
  }

  expect_failures = [var.picture_public_keys]
}

run "guardrail_id_bad" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    guardrail_id      = "AB_1"
    guardrail_version = "1"
  }

  expect_failures = [var.guardrail_id]
}

run "guardrail_id_other_region" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    guardrail_id      = "arn:aws:bedrock:eu-west-1:123456789012:guardrail/ab"
    guardrail_version = "1"
  }

  expect_failures = [var.guardrail_id]
}

run "guardrail_id_alone" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    guardrail_id = "ab12"
  }

  expect_failures = [var.guardrail_id]
}

run "guardrail_version_alone" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    guardrail_version = "1"
  }

  expect_failures = [var.guardrail_id]
}

run "guardrail_version_zero" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    guardrail_id      = "ab12"
    guardrail_version = "0"
  }

  expect_failures = [var.guardrail_version]
}
