# The bucket: private, encrypted, versioned, moved and deleted by age.

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
  values          = { id = "images-bucket", arn = "arn:aws:s3:::images-bucket", bucket_regional_domain_name = "images-bucket.s3.us-west-2.amazonaws.com" }
}

override_resource {
  target          = aws_s3_bucket.audit
  override_during = plan
  values          = { id = "audit-bucket", arn = "arn:aws:s3:::audit-bucket" }
}

override_resource {
  target          = aws_iam_role.api
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/atelier-api" }
}

override_resource {
  target          = aws_iam_role.worker
  override_during = plan
  values          = { arn = "arn:aws:iam::123456789012:role/atelier-worker" }
}

run "name" {
  command = plan

  assert {
    condition     = aws_s3_bucket.images.bucket_prefix == "education-portal-images-"
    error_message = "The bucket's name begins with the portal's prefix."
  }

  assert {
    condition     = !aws_s3_bucket.images.force_destroy
    error_message = "A bucket that holds pictures is not deleted by accident."
  }
}

# Feature: s3-image-storage, Property 5: Encryption enforcement
run "encryption" {
  command = plan

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.images.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "Objects are encrypted at rest with AES-256."
  }

  assert {
    condition     = aws_s3_object.placeholder.server_side_encryption == "AES256"
    error_message = "The placeholder is encrypted like any object."
  }
}

# Feature: s3-image-storage, Property 6: Public access blocked
run "no_public_access" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.images.block_public_acls,
      aws_s3_bucket_public_access_block.images.block_public_policy,
      aws_s3_bucket_public_access_block.images.ignore_public_acls,
      aws_s3_bucket_public_access_block.images.restrict_public_buckets,
    ])
    error_message = "All four public blocks are on."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.images.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "The owner is enforced; there are no ACLs."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.images.policy).Statement : statement if statement.Sid == "TlsOnly"
      ] == [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::images-bucket", "arn:aws:s3:::images-bucket/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "Whatever comes without TLS is denied."
  }
}

# Feature: s3-image-storage, Property 12: S3 direct access restriction
run "only_cloudfront_and_the_roles" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.images.policy).Statement : statement if statement.Effect == "Allow"
      ] == [{
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "arn:aws:s3:::images-bucket/*"
        Condition = { StringEquals = { "AWS:SourceArn" = "arn:aws:cloudfront::123456789012:distribution/E0EXAMPLE" } }
    }]
    error_message = "The policy allows nothing but the reads of this one distribution."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.images.policy).Statement : statement if statement.Sid == "PicturesForTheRolesOnly"
      ] == [{
        Sid       = "PicturesForTheRolesOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        Resource  = "arn:aws:s3:::images-bucket/generated_images/*"
        Condition = {
          BoolIfExists    = { "aws:PrincipalIsAWSService" = "false" }
          StringNotEquals = { "aws:PrincipalArn" = [aws_iam_role.api.arn, aws_iam_role.worker.arn, aws_iam_role.operator.arn] }
        }
    }]
    error_message = "Pictures are denied to everyone but the services, the operator and CloudFront."
  }

  assert {
    condition = alltrue([
      aws_cloudfront_origin_access_control.images.origin_access_control_origin_type == "s3",
      aws_cloudfront_origin_access_control.images.signing_behavior == "always",
      aws_cloudfront_origin_access_control.images.signing_protocol == "sigv4",
      one(aws_cloudfront_distribution.images.origin).origin_access_control_id == aws_cloudfront_origin_access_control.images.id,
    ])
    error_message = "CloudFront signs every read by the origin access control."
  }
}

run "versions_and_cors" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_versioning.images.versioning_configuration).status == "Enabled"
    error_message = "Versioning is on."
  }

  assert {
    condition = (
      toset(one(aws_s3_bucket_cors_configuration.images.cors_rule).allowed_methods) == toset(["GET", "HEAD"]) &&
      toset(one(aws_s3_bucket_cors_configuration.images.cors_rule).allowed_origins) == toset(["*"])
    )
    error_message = "Pages of other origins may read, and only read."
  }

  assert {
    condition     = aws_s3_bucket_metric.images.bucket == "images-bucket" && aws_s3_bucket_metric.images.name == "EntireBucket" && length(aws_s3_bucket_metric.images.filter) == 0
    error_message = "Access metrics of the whole bucket are on."
  }

  assert {
    condition     = aws_s3_object.placeholder.key == "placeholder.svg" && aws_s3_object.placeholder.content_type == "image/svg+xml"
    error_message = "There is a placeholder."
  }
}

# Feature: s3-image-storage, Property 13: Lifecycle transition to IA
run "to_infrequent_access" {
  command = plan

  assert {
    condition     = [for transition in aws_s3_bucket_lifecycle_configuration.images.rule[0].transition : transition.days if transition.storage_class == "STANDARD_IA"] == [90]
    error_message = "Infrequent Access after 90 days."
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.images.rule[0].status == "Enabled" &&
      aws_s3_bucket_lifecycle_configuration.images.rule[0].filter[0].and[0].tags == tomap({ retention = "standard" }) &&
      aws_s3_bucket_lifecycle_configuration.images.rule[0].filter[0].and[0].prefix == "generated_images/" &&
      aws_s3_bucket_lifecycle_configuration.images.rule[0].filter[0].and[0].object_size_greater_than == 1
    )
    error_message = "The rule takes every picture tagged standard, also the small ones."
  }
}

# Feature: s3-image-storage, Property 14: Lifecycle transition to Glacier
run "to_glacier" {
  command = plan

  assert {
    condition     = [for transition in aws_s3_bucket_lifecycle_configuration.images.rule[0].transition : transition.days if transition.storage_class == "GLACIER_IR"] == [270]
    error_message = "Glacier Instant Retrieval 180 days after Infrequent Access, on day 270."
  }
}

# Feature: s3-image-storage, Property 15: Lifecycle deletion
run "deletion" {
  command = plan

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.images.rule[0].expiration[0].days == 635
    error_message = "Deleted 365 days after Glacier, on day 635."
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.images.rule[*].id == tolist(["retention-standard", "old-versions"]) &&
      aws_s3_bucket_lifecycle_configuration.images.rule[0].filter[0].and[0].tags.retention == "standard" &&
      length(aws_s3_bucket_lifecycle_configuration.images.rule[1].transition) == 0
    )
    error_message = "No other rule deletes a picture that is current, so one tagged permanent stays."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_lifecycle_configuration.images.rule[1].noncurrent_version_expiration[0].noncurrent_days == 30,
      aws_s3_bucket_lifecycle_configuration.images.rule[1].expiration[0].expired_object_delete_marker,
      aws_s3_bucket_lifecycle_configuration.images.rule[1].abort_incomplete_multipart_upload[0].days_after_initiation == 1,
    ])
    error_message = "Old versions, lone delete markers and unfinished uploads are cleaned."
  }
}

run "other_days" {
  command = plan

  variables {
    image_lifecycle_ia_days         = 30
    image_lifecycle_glacier_days    = 60
    image_lifecycle_expiration_days = 10
    image_glacier_storage_class     = "GLACIER"
  }

  assert {
    condition = {
      for transition in aws_s3_bucket_lifecycle_configuration.images.rule[0].transition : transition.storage_class => transition.days
    } == { STANDARD_IA = 30, GLACIER = 90 }
    error_message = "Each variable counts from the step before."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.images.rule[0].expiration[0].days == 100
    error_message = "Deletion counts from Glacier."
  }
}

run "intelligent_tiering_instead" {
  command = plan

  variables {
    image_storage_tiering = "intelligent"
  }

  assert {
    condition = {
      for transition in aws_s3_bucket_lifecycle_configuration.images.rule[0].transition : transition.storage_class => transition.days
    } == { INTELLIGENT_TIERING = 0 }
    error_message = "Either tiering by age or by use, never both."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.images.rule[0].expiration[0].days == 635
    error_message = "Pictures end at the same age."
  }
}
