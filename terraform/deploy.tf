# The deploy role: a workflow takes it through OIDC, without a key, to push images and to bring
# a new image tag to the fleet. Any other change of the infrastructure is an administrator's.

locals {
  github_url = "token.actions.githubusercontent.com"
  github_provider_arn = (
    var.github_repository == null ? null :
    coalesce(var.github_oidc_provider_arn, try(aws_iam_openid_connect_provider.github[0].arn, null))
  )

  deploy_trust = var.github_repository == null ? {
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
    Action    = "sts:AssumeRole"
    Condition = { StringEquals = { "aws:PrincipalAccount" = local.account_id } }
    } : {
    Effect    = "Allow"
    Principal = { Federated = local.github_provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${local.github_url}:aud" = "sts.amazonaws.com"
        "${local.github_url}:sub" = "repo:${var.github_repository}:environment:${var.github_environment}"
      }
    }
  }

  regional = "${var.aws_region}:${local.account_id}"
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository != null && var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.github_url}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  name        = "${var.name}-deploy"
  description = "Pushes images and brings a new image tag to the fleet"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.deploy_trust]
  })
}

resource "aws_iam_role_policy" "deploy_images" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; the repositories are named.
  #checkov:skip=CKV_AWS_290:ecr:GetAuthorizationToken knows no resource; the repositories are named.
  name = "images"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RegistryLoginKnowsNoResource"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = [for repository in aws_ecr_repository.service : repository.arn]
      },
    ]
  })
}

locals {
  state_bucket_arn = "arn:${local.partition}:s3:::${coalesce(var.terraform_state_bucket, "none")}"

  state_statements = [
    {
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = "${local.state_bucket_arn}/${var.name}/*"
    },
    {
      Sid      = "StateBucket"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = local.state_bucket_arn
    },
  ]

  # A new launch template version, then a rolling instance refresh that rolls back by itself.
  release_ec2 = [
    {
      Sid      = "NewTemplateVersion"
      Effect   = "Allow"
      Action   = ["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"]
      Resource = "arn:${local.partition}:ec2:${local.regional}:launch-template/*"
      # A template's ARN holds a random id, not its name.
      Condition = { StringEquals = { "aws:ResourceTag/Project" = var.name } }
    },
    {
      # The group checks that who changes its template could launch from it.
      Sid    = "LaunchFromTheTemplate"
      Effect = "Allow"
      Action = ["ec2:RunInstances", "ec2:CreateTags"]
      Resource = concat(
        ["arn:${local.partition}:ec2:${var.aws_region}::image/*"],
        [for kind in ["instance", "launch-template", "network-interface", "security-group", "subnet", "volume"] : "arn:${local.partition}:ec2:${local.regional}:${kind}/*"],
      )
      Condition = { ArnLike = { "ec2:LaunchTemplate" = "arn:${local.partition}:ec2:${local.regional}:launch-template/*" } }
    },
    {
      Sid    = "Refresh"
      Effect = "Allow"
      Action = [
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:RollbackInstanceRefresh",
        "autoscaling:StartInstanceRefresh",
        "autoscaling:UpdateAutoScalingGroup",
      ]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:autoscaling:${local.regional}:autoScalingGroup:*:autoScalingGroupName/${var.name}-${service}"]
    },
  ]

  # A new task definition, then a deployment that its circuit breaker rolls back.
  release_ecs = [
    {
      Sid      = "NewTaskDefinition"
      Effect   = "Allow"
      Action   = ["ecs:RegisterTaskDefinition", "ecs:TagResource"]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:ecs:${local.regional}:task-definition/${var.name}-${service}:*"]
    },
    {
      Sid      = "Rollout"
      Effect   = "Allow"
      Action   = ["ecs:UpdateService"]
      Resource = [for service in keys(local.roles) : "arn:${local.partition}:ecs:${local.regional}:service/${var.name}-${service}/${var.name}-${service}"]
    },
  ]
}

resource "aws_iam_role_policy" "deploy_release" {
  name = "release"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.release_ec2 : statement if var.fleet == "ec2"],
      [for statement in local.release_ecs : statement if var.fleet == "ecs"],
      [{
        Sid       = "HandOnTheServicesRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = concat([for role in local.roles : role.arn], aws_iam_role.execution[*].arn)
        Condition = { StringEquals = { "iam:PassedToService" = local.service_principal } }
      }],
      [for statement in local.state_statements : statement if var.terraform_state_bucket != null],
    )
  })
}

locals {
  # The tags of what ECS scales.
  plan_ecs = [{
    Sid      = "ScalingTargets"
    Effect   = "Allow"
    Action   = "application-autoscaling:ListTagsForResource"
    Resource = "arn:${local.partition}:application-autoscaling:${local.regional}:scalable-target/*"
  }]
}

# A plan reads all that the stack holds.
resource "aws_iam_role_policy" "deploy_plan" {
  #checkov:skip=CKV_AWS_355:The last statement's Describe calls know no resource; all others are named.
  name = "plan"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for statement in local.plan_ecs : statement if var.fleet == "ecs"], [
      {
        Sid    = "Buckets"
        Effect = "Allow"
        Action = [
          "s3:GetAccelerateConfiguration",
          "s3:GetBucket*",
          "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
          "s3:GetMetricsConfiguration",
          "s3:GetReplicationConfiguration",
          "s3:ListBucket",
        ]
        Resource = [aws_s3_bucket.images.arn, aws_s3_bucket.audit.arn]
      },
      {
        Sid      = "Placeholder"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = "${aws_s3_bucket.images.arn}/${aws_s3_object.placeholder.key}"
      },
      {
        Sid      = "Queues"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"]
        Resource = [for queue in local.queues : queue.arn]
      },
      {
        Sid    = "Cdn"
        Effect = "Allow"
        Action = [
          "cloudfront:GetCachePolicy",
          "cloudfront:GetDistribution",
          "cloudfront:GetMonitoringSubscription",
          "cloudfront:GetOriginAccessControl",
          "cloudfront:GetResponseHeadersPolicy",
          "cloudfront:ListTagsForResource",
        ]
        Resource = concat([aws_cloudfront_distribution.images.arn], local.cdn_policy_arns)
      },
      {
        Sid    = "Roles"
        Effect = "Allow"
        Action = [
          "iam:GetInstanceProfile",
          "iam:GetOpenIDConnectProvider",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListRolePolicies",
        ]
        Resource = concat(
          [for kind in ["role", "instance-profile"] : "arn:${local.partition}:iam::${local.account_id}:${kind}/${var.name}-*"],
          local.github_provider_arn == null ? [] : [local.github_provider_arn],
        )
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = "logs:ListTagsForResource"
        Resource = "arn:${local.partition}:logs:${local.regional}:log-group:/${var.name}/*"
      },
      {
        Sid    = "Watching"
        Effect = "Allow"
        Action = ["cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"]
        Resource = [
          "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.name}",
          "arn:${local.partition}:cloudwatch:*:${local.account_id}:alarm:${var.name}-*",
        ]
      },
      {
        Sid      = "Topics"
        Effect   = "Allow"
        Action   = ["sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource"]
        Resource = "arn:${local.partition}:sns:*:${local.account_id}:${var.name}-notices*"
      },
      {
        Sid      = "Trail"
        Effect   = "Allow"
        Action   = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "cloudtrail:ListTags"]
        Resource = local.trail_arn
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
        Resource = concat([aws_kms_key.logs.arn], module.notices[*].key_arn, module.notices_us_east_1[*].key_arn)
      },
      {
        Sid      = "Secret"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
        Resource = local.store_url_secret_arn
      },
      {
        Sid      = "Repositories"
        Effect   = "Allow"
        Action   = ["ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource"]
        Resource = [for repository in aws_ecr_repository.service : repository.arn]
      },
      {
        Sid      = "BaseImage"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = "arn:${local.partition}:ssm:${var.aws_region}::parameter/aws/service/ami-amazon-linux-latest/*"
      },
      {
        Sid      = "Firewall"
        Effect   = "Allow"
        Action   = ["wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:ListTagsForResource"]
        Resource = concat([aws_lb.api.arn], aws_wafv2_web_acl.api[*].arn)
      },
      {
        Sid    = "DescribesKnowNoResource"
        Effect = "Allow"
        Action = [
          "application-autoscaling:Describe*",
          "autoscaling:Describe*",
          "cloudtrail:DescribeTrails",
          "ec2:Describe*",
          "ecs:Describe*",
          "elasticloadbalancing:Describe*",
          "kms:ListAliases",
          "logs:DescribeLogGroups",
        ]
        Resource = "*"
      },
    ])
  })
}
