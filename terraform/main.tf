provider "aws" {
  region = var.aws_region

  default_tags {
    tags = local.tags
  }
}

# CloudFront publishes its metrics in us-east-1 only, so its alarms and their topic live there.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:Only the first zone_count of the names are taken.
  state = "available"

  # Local Zones have neither NAT gateways nor all endpoints.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  # The one source of the scaling numbers; the load test's replay reads the same file.
  scaling = jsondecode(file("${path.module}/scaling.json"))

  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Every picture's key is generated_images/{assignment_id}.webp.
  picture_prefix = "generated_images/"

  tags = merge({ Project = var.name, ManagedBy = "terraform" }, var.tags)
}
