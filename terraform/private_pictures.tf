# Private pictures: CloudFront serves signed addresses only, which the API hands out. Without a
# public key whoever knows a picture's address may see it.

locals {
  pictures_are_private = length(var.picture_public_keys) > 0
  # A key is known by its content: another one is another resource, made before the old one goes.
  picture_public_keys = { for key in var.picture_public_keys : substr(sha256(trimspace(key)), 0, 12) => trimspace(key) }
  picture_signing_key = local.pictures_are_private ? substr(sha256(trimspace(var.picture_public_keys[0])), 0, 12) : null

  # For the API alone, and for what starts it.
  picture_environment = local.pictures_are_private ? { CLOUDFRONT_KEY_ID = aws_cloudfront_public_key.pictures[local.picture_signing_key].id } : {}
  picture_secrets     = local.pictures_are_private ? { CLOUDFRONT_PRIVATE_KEY = aws_secretsmanager_secret.picture_private_key[0].arn } : {}
  picture_start_statements = [for secret in aws_secretsmanager_secret.picture_private_key : {
    Sid      = "PicturePrivateKey"
    Effect   = "Allow"
    Action   = "secretsmanager:GetSecretValue"
    Resource = secret.arn
  }]
  picture_key_statements = [for secret in aws_secretsmanager_secret.picture_private_key : {
    Sid      = "PicturePrivateKeyKey"
    Effect   = "Allow"
    Action   = "kms:Decrypt"
    Resource = aws_kms_key.logs.arn
  }]
}

resource "aws_cloudfront_public_key" "pictures" {
  for_each = local.picture_public_keys

  name        = "${var.name}-pictures-${each.key}"
  comment     = "Checks the addresses that the API signs"
  encoded_key = "${each.value}\n"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_key_group" "pictures" {
  count = local.pictures_are_private ? 1 : 0

  name    = "${var.name}-pictures"
  comment = "Who may sign the addresses of pictures"
  items   = [for key in aws_cloudfront_public_key.pictures : key.id]
}

# Filled by hand, so that the key is in no state and no plan.
resource "aws_secretsmanager_secret" "picture_private_key" {
  #checkov:skip=CKV2_AWS_57:A key is rotated by naming another public key first; the README says how.
  count = local.pictures_are_private ? 1 : 0

  name        = "${var.name}/picture-private-key"
  description = "CLOUDFRONT_PRIVATE_KEY: the private key of the first of picture_public_keys, as PEM"
  kms_key_id  = aws_kms_key.logs.arn
}
