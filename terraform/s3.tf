# The pictures: private, encrypted, versioned, moved and deleted by age.

resource "aws_s3_bucket" "images" {
  #checkov:skip=CKV_AWS_18:Access is recorded by the CloudTrail data events in audit.tf, which name the caller.
  #checkov:skip=CKV_AWS_144:A picture can be made again from its prompt; a second region would double the cost.
  #checkov:skip=CKV_AWS_145:The portal asks for AES-256 (SSE-S3); a KMS key would add a call and a cost to every read of the CDN.
  #checkov:skip=CKV2_AWS_62:Nothing waits for bucket events; workers write the outcome to the store themselves.
  bucket_prefix = "${var.s3_bucket_prefix}-"
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "images" {
  bucket                  = aws_s3_bucket.images.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "images" {
  bucket = aws_s3_bucket.images.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "images" {
  bucket = aws_s3_bucket.images.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "images" {
  bucket = aws_s3_bucket.images.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "images" {
  bucket = aws_s3_bucket.images.id

  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.cors_allowed_origins
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 86400
  }
}

locals {
  glacier_after_days = var.image_lifecycle_ia_days + var.image_lifecycle_glacier_days
  expire_after_days  = local.glacier_after_days + var.image_lifecycle_expiration_days

  # Days since creation -> class. Intelligent-Tiering takes over at once and moves by use.
  image_transitions = var.image_storage_tiering == "lifecycle" ? {
    STANDARD_IA                       = var.image_lifecycle_ia_days
    (var.image_glacier_storage_class) = local.glacier_after_days
    } : {
    INTELLIGENT_TIERING = 0
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "images" {
  bucket = aws_s3_bucket.images.id

  # A lifecycle filter cannot say "not tagged permanent", so every picture bears a retention tag.
  rule {
    id     = "retention-standard"
    status = "Enabled"

    filter {
      and {
        prefix = local.picture_prefix
        tags   = { retention = "standard" }
        # By default S3 moves nothing below 128 KB, and our pictures are smaller. An explicit
        # size lifts that; the provider sends 0, which S3 refuses, where none is given.
        object_size_greater_than = 1
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

  # S3 refuses rules on noncurrent versions before versioning is on.
  depends_on = [aws_s3_bucket_versioning.images]
}

# Request metrics of the whole bucket: counts, 4xx, 5xx and latency, for dashboard and alarms.
resource "aws_s3_bucket_metric" "images" {
  bucket = aws_s3_bucket.images.id
  name   = local.request_metrics
}

locals {
  request_metrics = "EntireBucket"
}

# What CloudFront shows where it has no picture to show. It is no picture of a teacher, so it
# lies outside generated_images/ and its lifecycle.
resource "aws_s3_object" "placeholder" {
  #checkov:skip=CKV_AWS_186:The portal asks for AES-256 (SSE-S3) on every object.
  bucket                 = aws_s3_bucket.images.id
  key                    = "placeholder.svg"
  source                 = "${path.module}/placeholder.svg"
  source_hash            = filemd5("${path.module}/placeholder.svg")
  content_type           = "image/svg+xml"
  cache_control          = "max-age=${var.cdn_error_ttl_seconds}"
  server_side_encryption = "AES256"

  depends_on = [aws_s3_bucket_ownership_controls.images]
}

locals {
  tls_only = [{
    Sid       = "TlsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:*"
    Resource  = [aws_s3_bucket.images.arn, "${aws_s3_bucket.images.arn}/*"]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }]
}

resource "aws_s3_bucket_policy" "images" {
  bucket = aws_s3_bucket.images.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.tls_only, [
      {
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.images.arn}/*"
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.images.arn } }
      },
      {
        # Not even an administrator of the account opens a pupil's picture by a policy too wide.
        Sid       = "PicturesForTheRolesOnly"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetObject",
          "s3:GetObjectVersion",
          "s3:PutObject",
        ]
        Resource = "${aws_s3_bucket.images.arn}/${local.picture_prefix}*"
        Condition = {
          StringNotEquals = { "aws:PrincipalArn" = [aws_iam_role.api.arn, aws_iam_role.worker.arn, aws_iam_role.operator.arn] }
          BoolIfExists    = { "aws:PrincipalIsAWSService" = "false" }
        }
      },
    ])
  })

  # A policy put while the public blocks are being set can be refused by S3 as a conflict.
  depends_on = [aws_s3_bucket_public_access_block.images]
}
