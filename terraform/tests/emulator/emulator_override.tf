# Points the stack at the emulator (moto), and leaves out what moto cannot hold. Terraform merges
# this file over the stack in the copy that emulator.py makes; nothing else reads it.

provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  region                      = var.aws_region
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

provider "aws" {
  alias                       = "us_east_1"
  access_key                  = "test"
  secret_key                  = "test"
  region                      = "us-east-1"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

# CloudFront's cache and headers policies are unknown to moto; the distribution gets the older
# form of the same numbers in their place.
resource "aws_cloudfront_cache_policy" "images" {
  count = 0
}

resource "aws_cloudfront_response_headers_policy" "images" {
  count = 0
}

locals {
  cdn_policy_arns = []
}

# moto's check of a bucket's policy ignores conditions, so "nothing without TLS" would be "nothing".
locals {
  tls_only = []
}

resource "aws_cloudfront_distribution" "images" {
  default_cache_behavior {
    target_origin_id       = "images"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD", "OPTIONS"]
    cached_methods         = ["GET", "HEAD"]
    min_ttl                = 86400
    default_ttl            = 86400
    max_ttl                = 31536000

    forwarded_values {
      query_string = false

      cookies {
        forward = "none"
      }
    }
  }
}

# moto knows no monitoring subscription.
resource "aws_cloudfront_monitoring_subscription" "images" {
  count = 0
}

# moto refuses a metrics configuration of a bucket.
resource "aws_s3_bucket_metric" "images" {
  count = 0
}

# moto forgets a redrive allow policy, and the queue's policy with it.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  count = 0
}

# moto drops a rule's least object size, so the filter here is the tag alone.
resource "aws_s3_bucket_lifecycle_configuration" "images" {
  rule {
    id     = "retention-standard"
    status = "Enabled"

    filter {
      tag {
        key   = "retention"
        value = "standard"
      }
    }

    dynamic "transition" {
      for_each = local.image_transitions

      content {
        storage_class = transition.key
        days          = transition.value
      }
    }

    expiration {
      days = local.expire_after_days
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.image_noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
