# A whole plan, which alarm_test.py reads its alarms from.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

run "ec2" {
  command = plan

  variables {
    worker_min         = 0
    budget_usd_per_day = 25
    api_cdn            = true
    auth_issuer        = "https://id.example.org"
    auth_client_id     = "atelier"
  }

  assert {
    condition     = length(module.ec2_fleet) == 2
    error_message = "API and worker."
  }
}
