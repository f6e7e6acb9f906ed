# Who may do what: the API, the worker and the deployment. Each statement names its resource;
# where AWS allows no name, the statement stands alone and says so.

locals {
  service_principal = var.fleet == "ec2" ? "ec2.amazonaws.com" : "ecs-tasks.amazonaws.com"

  task_trust = {
    Effect    = "Allow"
    Principal = { Service = "ecs-tasks.amazonaws.com" }
    Action    = "sts:AssumeRole"
    Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
  }

  # Who may take a service's role: EC2, which sends no source account; tasks, on EC2 for `atelier
  # doctor` with the role that it tries; or a cluster's pods (kubernetes.tf).
  service_trust = {
    for service in ["api", "worker"] : service => jsonencode({
      Version = "2012-10-17"
      Statement = concat(
        [for trust in [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }] : trust if var.fleet == "ec2"],
        [for trust in [local.task_trust] : trust if local.has_fleet],
        [for trust in [local.pod_trust["${var.kubernetes_namespace}/atelier-${service}"]] : trust if !local.has_fleet],
      )
    })
  }

  pictures_arn = "${aws_s3_bucket.images.arn}/${local.picture_prefix}*"

  # An inference profile stands for its model in several regions; a call needs both.
  models   = { for model in var.bedrock_models : model => regex(local.model_pattern, model) }
  profiles = [for model, of in local.models : model if of.kind == "inference-profile" || (of.kind == null && of.geography != null)]
  model_arns = distinct(flatten([
    for model, of in local.models : contains(local.profiles, model) ? [
      of.kind == null ? "arn:${local.partition}:bedrock:${var.bedrock_region}:${local.account_id}:inference-profile/${model}" : model,
      "arn:${local.partition}:bedrock:*::foundation-model/${of.name}",
    ] : ["arn:${local.partition}:bedrock:${var.bedrock_region}::foundation-model/${of.name}"]
  ]))

  # As the worker reads an id: that of a model or an inference profile, or an ARN of either.
  model_pattern = "^(?:arn:[a-z-]+:bedrock:[a-z0-9-]*:[0-9]*:(?P<kind>inference-profile|foundation-model)/)?(?:(?P<geography>[a-z-]+)\\.)?(?P<name>(?:amazon|stability)\\.[a-z0-9.:-]+)$"

  roles = { api = aws_iam_role.api, worker = aws_iam_role.worker }
}

# API

resource "aws_iam_role" "api" {
  name               = "${var.name}-api"
  description        = "The API"
  assume_role_policy = local.service_trust["api"]
}

resource "aws_iam_role_policy" "api_pictures" {
  count = var.s3_permissions ? 1 : 0

  name = "pictures"
  role = aws_iam_role.api.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Pictures"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetObject",
          "s3:PutObjectTagging",
          "s3:PutObjectVersionTagging",
        ]
        Resource = local.pictures_arn
      },
      {
        Sid      = "Bucket"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketVersions"]
        Resource = aws_s3_bucket.images.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "api" {
  name = "jobs"
  role = aws_iam_role.api.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Jobs"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
        Resource = aws_sqs_queue.jobs.arn
      },
      {
        # An operator looks into dead letters, sends them again or drops them.
        Sid    = "DeadLetters"
        Effect = "Allow"
        Action = [
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage",
          "sqs:SendMessage",
        ]
        Resource = aws_sqs_queue.dead_letters.arn
      },
      {
        Sid      = "Forget"
        Effect   = "Allow"
        Action   = "cloudfront:CreateInvalidation"
        Resource = aws_cloudfront_distribution.images.arn
      },
    ]
  })
}

# Worker

resource "aws_iam_role" "worker" {
  name               = "${var.name}-worker"
  description        = "The worker"
  assume_role_policy = local.service_trust["worker"]
}

resource "aws_iam_role_policy" "worker_pictures" {
  count = var.s3_permissions ? 1 : 0

  name = "pictures"
  role = aws_iam_role.worker.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Pictures"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetObject",
          "s3:PutObject",
          "s3:PutObjectTagging",
        ]
        Resource = local.pictures_arn
      },
      {
        # Without it a missing picture reads as "forbidden" instead of "not found".
        Sid      = "Bucket"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = aws_s3_bucket.images.arn
      },
    ]
  })
}

resource "aws_iam_role_policy" "worker" {
  #checkov:skip=CKV_AWS_290:AWS Marketplace's actions know no resource; they are Bedrock's only.
  #checkov:skip=CKV_AWS_355:AWS Marketplace's actions know no resource; they are Bedrock's only.
  name = "jobs"
  role = aws_iam_role.worker.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "Jobs"
        Effect = "Allow"
        Action = [
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage",
        ]
        Resource = aws_sqs_queue.jobs.arn
      },
      {
        Sid      = "DeadLetters"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.dead_letters.arn
      },
      {
        Sid      = "Models"
        Effect   = "Allow"
        Action   = "bedrock:InvokeModel"
        Resource = local.model_arns
      },
      {
        # A third party's model is subscribed to by its first call in the account, which Bedrock makes
        # on the caller's behalf and never the worker itself.
        Sid       = "MarketplaceKnowsNoResource"
        Effect    = "Allow"
        Action    = ["aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:CalledViaLast" = "bedrock.amazonaws.com" } }
      },
    ], local.guardrail_statements)
  })
}

# What both need to be seen

resource "aws_iam_role_policy" "telemetry" {
  #checkov:skip=CKV_AWS_355:X-Ray's writes know no resource; the logs are named.
  #checkov:skip=CKV_AWS_290:X-Ray's writes know no resource; the logs are named.
  for_each = local.roles

  name = "telemetry"
  role = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for group in [aws_cloudwatch_log_group.service[each.key], aws_cloudwatch_log_group.metrics] : "${group.arn}:*"]
      },
      {
        Sid      = "TracesKnowNoResource"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}

# What starts a service: its image, its secret, its log. On EC2 the instance does it, with the
# service's role; on ECS the agent does, with a role that the service never holds.

locals {
  store_url_secret_arn = coalesce(var.store_url_secret_arn, try(aws_secretsmanager_secret.store_url[0].arn, null))

  # A secret under AWS's own key needs no statement.
  store_url_key_arns = var.store_url_secret_arn == null ? tolist([aws_kms_key.logs.arn]) : tolist(var.store_url_key_arn[*])

  # Of the API alone.
  identity_statements = [for statement in [
    {
      Sid      = "IdentitySecrets"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = values(local.identity_secrets)
    },
    {
      Sid      = "IdentitySecretsKey"
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = [aws_kms_key.logs.arn]
    },
  ] : statement if local.signs_in]

  start_statements = concat([
    {
      Sid      = "RegistryLoginKnowsNoResource"
      Effect   = "Allow"
      Action   = "ecr:GetAuthorizationToken"
      Resource = "*"
    },
    {
      Sid      = "Images"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = [for repository in aws_ecr_repository.service : repository.arn]
    },
    {
      Sid      = "StoreUrl"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = local.store_url_secret_arn
    },
    ], [for key in local.store_url_key_arns : {
      Sid      = "StoreUrlKey"
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = key
  }])
}

resource "aws_iam_role_policy" "instance" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; all else is named.
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken knows no resource; all else is named.
  for_each = { for service, role in local.roles : service => role if var.fleet == "ec2" }

  name = "instance"
  role = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.start_statements, [for statement in concat(local.identity_statements, local.picture_start_statements, local.picture_key_statements) : statement if each.key == "api"], [{
      Sid      = "SayHowItIs"
      Effect   = "Allow"
      Action   = ["autoscaling:CompleteLifecycleAction", "autoscaling:SetInstanceHealth"]
      Resource = "arn:${local.partition}:autoscaling:${var.aws_region}:${local.account_id}:autoScalingGroup:*:autoScalingGroupName/${var.name}-${each.key}"
    }])
  })
}

resource "aws_iam_role" "execution" {
  count = var.fleet == "ecs" ? 1 : 0

  name               = "${var.name}-execution"
  description        = "ECS's agent: pulls images, reads the store's address, writes logs"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.task_trust] })
}

resource "aws_iam_role_policy" "execution" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; all else is named.
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken knows no resource; all else is named.
  count = var.fleet == "ecs" ? 1 : 0

  name = "start"
  role = aws_iam_role.execution[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.start_statements, local.identity_statements, local.picture_start_statements, local.picture_key_statements, [{
      Sid      = "Logs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [for group in aws_cloudwatch_log_group.service : "${group.arn}:*"]
    }])
  })
}
