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
  description = "Address of the API. With a certificate, point its own name here."
  value       = "${var.api_certificate_arn == null ? "http" : "https"}://${aws_lb.api.dns_name}"
}

output "repositories" {
  description = "Where to push the images: service -> repository URL."
  value       = { for service, repository in aws_ecr_repository.service : service => repository.repository_url }
}

output "release" {
  description = "What runs where: the image tag, and the kind of fleet."
  value       = { image_tag = var.image_tag, fleet = var.fleet }
}

output "store_url_secret_arn" {
  description = "Secret that has to hold `STORE_URL`."
  value       = local.store_url_secret_arn
}

output "fleet_names" {
  description = "Auto Scaling Groups, or ECS clusters and services: service -> name."
  value       = { for service, fleet in local.fleet : service => fleet.fleet_name }
}

output "role_arns" {
  description = "Roles of the API, the worker and the deployment."
  value       = { api = aws_iam_role.api.arn, worker = aws_iam_role.worker.arn, deploy = aws_iam_role.deploy.arn }
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
