output "bucket" {
  description = "Name of the picture bucket (`S3_BUCKET_NAME`)."
  value       = aws_s3_bucket.images.id
}

output "cdn_domain" {
  description = "Domain of the pictures (`CLOUDFRONT_DOMAIN`)."
  value       = local.cdn_domain
}

output "cdn_distribution_id" {
  description = "Id of the CloudFront distribution (`CLOUDFRONT_DISTRIBUTION_ID`)."
  value       = aws_cloudfront_distribution.images.id
}

output "queue_url" {
  description = "URL of the job queue (`SQS_QUEUE_URL`)."
  value       = aws_sqs_queue.jobs.url
}

output "dead_letter_queue_url" {
  description = "URL of the dead letters (`SQS_DEAD_LETTER_QUEUE_URL`)."
  value       = aws_sqs_queue.dead_letters.url
}

output "api_address" {
  description = "Address of the API, which clients and the smoke test use; `null` where `fleet` is `none`."
  value       = local.has_fleet ? local.api_address : null
}

output "load_balancer_name" {
  description = "DNS name of the API's load balancer: `api_domain` points here where no `api_zone_id` is given; `null` where `fleet` is `none`."
  value       = one(aws_lb.api[*].dns_name)
}

output "repositories" {
  description = "Where to push the images: service -> repository URL."
  value       = merge({ for service, repository in aws_ecr_repository.service : service => repository.repository_url }, { operator = aws_ecr_repository.operator.repository_url })
}

output "release" {
  description = "What runs where: the image tag, the AMI of the instances (`ec2`), and the kind of fleet."
  value       = { image_tag = var.image_tag, ami_id = one(distinct([for fleet in module.ec2_fleet : fleet.ami_id])), fleet = var.fleet }
}

output "operator" {
  description = "What `scripts/operator.sh` needs to run the operator's task; `null` where `fleet` is `none`."
  value = local.has_fleet ? {
    cluster           = aws_ecs_cluster.operator[0].name
    task_definition   = local.operator_name
    subnet_ids        = aws_subnet.private[*].id
    security_group_id = aws_security_group.operator.id
    log_group         = aws_cloudwatch_log_group.operator[0].name
    region            = var.aws_region
    roles             = { operator = aws_iam_role.operator.arn, api = aws_iam_role.api.arn, worker = aws_iam_role.worker.arn }
  } : null
}

output "api_cdn_domain" {
  description = "Domain of CloudFront before the API: `api_domain` points here with `api_cdn` where no `api_zone_id` is given; `null` without."
  value       = local.api_cdn_domain
}

output "smoke_from" {
  description = "Where the smoke test has to run: `outside`, where everybody may call the API and its key is not in Secrets Manager (`smoke_api_key_secret_arn`), else `inside`, as the operator's task; `null` where `fleet` is `none`."
  value       = !local.has_fleet ? null : local.api_is_open && var.smoke_api_key_secret_arn == null ? "outside" : "inside"
}

output "nat_addresses" {
  description = "Addresses from which the services reach the store and the models of other regions. MongoDB Atlas refuses all that are not in its access list."
  value       = aws_eip.nat[*].public_ip
}

output "identity_secret_arns" {
  description = "Secrets that have to hold `SESSION_KEYS` and `AUTH_CLIENT_SECRET`, by name; empty without `auth_issuer`."
  value       = local.identity_secrets
}

output "store_url_secret_arn" {
  description = "Secret that has to hold `STORE_URL`."
  value       = local.store_url_secret_arn
}

output "picture_private_key_secret_arn" {
  description = "Secret that has to hold `CLOUDFRONT_PRIVATE_KEY`; `null` where pictures are public."
  value       = one(aws_secretsmanager_secret.picture_private_key[*].arn)
}

output "picture_key_id" {
  description = "`CLOUDFRONT_KEY_ID` of the API; `null` where pictures are public."
  value       = local.pictures_are_private ? aws_cloudfront_public_key.pictures[local.picture_signing_key].id : null
}

output "fleet_names" {
  description = "Auto Scaling Groups, or ECS clusters and services: service -> name."
  value       = { for service, fleet in local.fleet : service => fleet.fleet_name }
}

output "role_arns" {
  description = "Roles of the API, the worker, the deployment, a pull request's plan and the operator."
  value       = { api = aws_iam_role.api.arn, worker = aws_iam_role.worker.arn, deploy = aws_iam_role.deploy.arn, plan = aws_iam_role.plan.arn, operator = aws_iam_role.operator.arn }
}

output "topic_arns" {
  description = "Topics of the alarms: in the stack's region, and in us-east-1 for CloudFront's."
  value       = { stack = local.topic_arn, cdn = local.topic_arn_us_east_1 }
}

output "dashboard_url" {
  description = "The dashboard in the console."
  value       = "https://${var.aws_region}.console.aws.amazon.com/cloudwatch/home?region=${var.aws_region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "scaling" {
  description = "The scaling numbers in force: scaling.json's, with what the variables changed and what follows from both."
  value = merge(local.scaling, {
    worker = merge(local.scaling.worker, {
      min                    = local.worker_min
      max                    = local.worker_max
      model_quota_per_minute = local.model_quota_per_minute
    })
    # Load comes right after a sample (one period), the alarm wants its periods, the worker boots.
    scale_out_seconds = {
      for service in ["api", "worker"] : service =>
      local.scaling.metric_period_seconds * (1 + local.scaling.scale_out_alarm_periods) + local.scaling[service].boot_seconds
    }
  })
}
