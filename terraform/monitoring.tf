# Notices, alarms and the dashboard.

locals {
  # The names that the services give their metrics; a test holds these and the code's together.
  metrics = {
    namespace           = "Atelier"
    queue_wait          = "atelier.queue_wait"
    stage_duration      = "atelier.stage_duration"
    jobs                = "atelier.jobs"
    renditions          = "atelier.renditions"
    s3_uploads          = "atelier.s3_uploads"
    s3_upload_failures  = "atelier.s3_upload_failures"
    s3_upload_conflicts = "atelier.s3_upload_conflicts"
    throttles           = "atelier.throttles"
    slots_in_use        = "atelier.slots_in_use"
    slots               = "atelier.slots"
    alerts              = "atelier.alerts"
    model_calls         = "atelier.model_calls"
    model_cost          = "atelier.model_cost"
    guardrail           = "atelier.guardrail_interventions"
    budget_used         = "atelier.budget_used"
    budget_left         = "atelier.budget_left"
    oldest_pending      = "atelier.oldest_pending"
    paused              = "atelier.paused"
    http_duration       = "http.server.request.duration"
    fleet_paused        = "atelier.fleet_paused"
  }

  # The collector's dimension that tells the two services apart.
  service_dimension = "service.name"

  collector_config = templatefile("${path.module}/collector.yaml", {
    region    = var.aws_region
    namespace = local.metrics.namespace
    log_group = aws_cloudwatch_log_group.metrics.name
  })
}

resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${var.name}/metrics"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}

# Notices

module "notices" {
  source = "./modules/notices"
  count  = var.alarm_topic_arn == null ? 1 : 0

  name       = "${var.name}-notices"
  emails     = var.alarm_emails
  account_id = local.account_id
  partition  = local.partition
}

module "notices_us_east_1" {
  source    = "./modules/notices"
  count     = var.alarm_topic_arn_us_east_1 == null ? 1 : 0
  providers = { aws = aws.us_east_1 }

  name       = "${var.name}-notices-cdn"
  emails     = var.alarm_emails
  account_id = local.account_id
  partition  = local.partition
}

locals {
  topic_arn           = var.alarm_topic_arn == null ? module.notices[0].topic_arn : var.alarm_topic_arn
  topic_arn_us_east_1 = var.alarm_topic_arn_us_east_1 == null ? module.notices_us_east_1[0].topic_arn : var.alarm_topic_arn_us_east_1
}

# Alarms on the pictures

resource "aws_cloudwatch_metric_alarm" "upload_failures" {
  alarm_name          = "${var.name}-upload-failures"
  alarm_description   = "More than 5% of the uploads to S3 failed within 5 minutes."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "failure_percent"
    label       = "Failed uploads in percent"
    expression  = "IF(uploads > 0, 100 * FILL(failures, 0) / uploads, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { uploads = local.metrics.s3_uploads, failures = local.metrics.s3_upload_failures }

    content {
      id = metric_query.key

      metric {
        namespace   = local.metrics.namespace
        metric_name = metric_query.value
        dimensions  = { (local.service_dimension) = "atelier-worker" }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

locals {
  # An alarm may sum ten metrics: every class that a lifecycle here can lead to, and what S3
  # charges beyond the bytes.
  storage_types = [
    "StandardStorage",
    "StandardIAStorage",
    "StandardIASizeOverhead",
    "GlacierInstantRetrievalStorage",
    "GlacierInstantRetrievalSizeOverhead",
    "GlacierStorage",
    "GlacierObjectOverhead",
    "IntelligentTieringFAStorage",
    "IntelligentTieringIAStorage",
    "IntelligentTieringAIAStorage",
  ]
}

resource "aws_cloudwatch_metric_alarm" "bucket_size" {
  alarm_name          = "${var.name}-bucket-size"
  alarm_description   = "The picture bucket holds more than 80% of its ${var.bucket_quota_gb} GB."
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.bucket_quota_gb * 1000000000 * 0.8
  # S3 says the size once a day and hours late, so the newest day is missing most of the time. Nothing
  # is filled in: a day that is not yet said must not look like an empty bucket.
  evaluation_periods  = 2
  datapoints_to_alarm = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "size"
    label       = "Bytes in all storage classes"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.storage_types

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = "AWS/S3"
        metric_name = "BucketSizeBytes"
        dimensions  = { BucketName = aws_s3_bucket.images.id, StorageType = metric_query.value }
        period      = 86400 # S3 says it once a day.
        stat        = "Average"
      }
    }
  }
}

# A job begins by asking with HEAD whether its picture is there already, and of a new one it is not:
# that 404 is the normal case. So as many errors as there were HEADs are none, and HEADs are no
# requests; what GET, PUT and DELETE are refused counts in full where HEADs were refused as well.
resource "aws_cloudwatch_metric_alarm" "s3_4xx" {
  alarm_name          = "${var.name}-s3-4xx"
  alarm_description   = "More than 10% of the bucket's requests, those of method HEAD left out, were answered 4xx."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "error_percent"
    label       = "4xx in percent"
    expression  = "IF(other_errors > 0 AND other_requests > 0, 100 * other_errors / other_requests, 0)"
    return_data = true
  }

  metric_query {
    id         = "other_errors"
    expression = "FILL(errors, 0) - FILL(heads, 0)"
  }

  metric_query {
    id         = "other_requests"
    expression = "requests - FILL(heads, 0)"
  }

  dynamic "metric_query" {
    for_each = { requests = "AllRequests", errors = "4xxErrors", heads = "HeadRequests" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/S3"
        metric_name = metric_query.value
        dimensions  = { BucketName = aws_s3_bucket.images.id, FilterId = local.request_metrics }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# CloudFront's metrics are in us-east-1, in dimension Region=Global.

locals {
  cdn_least_requests = 200

  cdn_dimensions = { DistributionId = aws_cloudfront_distribution.images.id, Region = "Global" }
}

resource "aws_cloudwatch_metric_alarm" "cdn_hit_ratio" {
  provider = aws.us_east_1

  alarm_name          = "${var.name}-cdn-hit-ratio"
  alarm_description   = "CloudFront served less than 70% of the pictures from its cache, of at least ${local.cdn_least_requests} requests in five minutes."
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 70
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn_us_east_1]
  ok_actions          = [local.topic_arn_us_east_1]

  # A class that opens its first pictures in the morning misses the cache and worries nobody.
  metric_query {
    id          = "hit_percent"
    label       = "Served from the cache in percent"
    expression  = "IF(requests >= ${local.cdn_least_requests}, hits, 100)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { hits = ["CacheHitRate", "Average"], requests = ["Requests", "Sum"] }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/CloudFront"
        metric_name = metric_query.value[0]
        dimensions  = local.cdn_dimensions
        period      = 300
        stat        = metric_query.value[1]
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "cdn_4xx" {
  provider = aws.us_east_1

  alarm_name          = "${var.name}-cdn-4xx"
  alarm_description   = "CloudFront answered more than 10% of the requests 4xx."
  namespace           = "AWS/CloudFront"
  metric_name         = "4xxErrorRate"
  dimensions          = local.cdn_dimensions
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn_us_east_1]
  ok_actions          = [local.topic_arn_us_east_1]
}

# Alarms on the jobs

# By the store: SQS leaves messages out of its own age that were received three times or more, and
# forgets what the queue lost.
resource "aws_cloudwatch_metric_alarm" "oldest_job" {
  alarm_name          = "${var.name}-oldest-job"
  alarm_description   = "An assignment has been pending longer than ${var.oldest_job_limit_seconds} s."
  namespace           = local.metrics.namespace
  metric_name         = local.metrics.oldest_pending
  dimensions          = { (local.service_dimension) = "atelier-api" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_job_limit_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "There are dead letters: look into them on the page's fleet view."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "alerts" {
  for_each = toset(["api", "worker"])

  alarm_name          = "${var.name}-alerts-${each.key}"
  alarm_description   = "The ${each.key} logged an event that an operator has to see: look for alert=true in its log."
  namespace           = local.metrics.namespace
  metric_name         = local.metrics.alerts
  dimensions          = { (local.service_dimension) = "atelier-${each.key}" }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "model_spend" {
  alarm_name          = "${var.name}-model-spend"
  alarm_description   = "The models cost more than ${var.model_daily_budget_usd} USD within a day."
  namespace           = local.metrics.namespace
  metric_name         = local.metrics.model_cost
  dimensions          = { (local.service_dimension) = "atelier-worker" }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.model_daily_budget_usd
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "budget" {
  count = var.budget_usd_per_day > 0 ? 1 : 0

  alarm_name          = "${var.name}-budget"
  alarm_description   = "More than 80% of the day's budget of ${var.budget_usd_per_day} USD is used. Where nothing is left, no more pictures are made until midnight (UTC)."
  namespace           = local.metrics.namespace
  metric_name         = local.metrics.budget_used
  dimensions          = { (local.service_dimension) = "atelier-api" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0.8 * var.budget_usd_per_day
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

# Dashboard

locals {
  s3_request = ["BucketName", aws_s3_bucket.images.id, "FilterId", local.request_metrics]
  cdn        = ["Region", "Global", "DistributionId", aws_cloudfront_distribution.images.id]
  worker     = [local.service_dimension, "atelier-worker"]
  of_stage   = { for stage in ["generate", "optimize", "upload", "variant", "avif"] : stage => concat(["stage", stage], local.worker) }

  # Title, metrics, and what differs from a sum a minute in the stack's region.
  widgets = concat(local.shared_widgets, [for widget in local.fleet_widgets : widget if local.has_fleet])

  shared_widgets = [
    {
      title   = "Bucket size (GB)"
      stat    = "Average"
      period  = 86400
      stacked = true
      metrics = concat(
        [for index, type in local.storage_types : ["AWS/S3", "BucketSizeBytes", "BucketName", aws_s3_bucket.images.id, "StorageType", type, { id = "m${index}", visible = false }]],
        [for index, type in local.storage_types : [{ expression = "m${index} / 1000000000", label = type }]],
      )
    },
    { title = "Pictures stored", stat = "Average", period = 86400, metrics = [["AWS/S3", "NumberOfObjects", "BucketName", aws_s3_bucket.images.id, "StorageType", "AllStorageTypes"]] },
    { title = "S3 requests", metrics = [for name in ["GetRequests", "PutRequests", "HeadRequests", "AllRequests"] : concat(["AWS/S3", name], local.s3_request)] },
    { title = "S3 errors", metrics = [for name in ["4xxErrors", "5xxErrors"] : concat(["AWS/S3", name], local.s3_request)] },
    { title = "S3 latency (ms)", stat = "Average", metrics = [for name in ["FirstByteLatency", "TotalRequestLatency"] : concat(["AWS/S3", name], local.s3_request)] },
    { title = "S3 uploads, those that failed, and conflicts", metrics = [for name in [local.metrics.s3_uploads, local.metrics.s3_upload_failures, local.metrics.s3_upload_conflicts] : concat([local.metrics.namespace, name], local.worker)] },
    { title = "CDN requests", region = "us-east-1", metrics = [concat(["AWS/CloudFront", "Requests"], local.cdn)] },
    { title = "CDN cache hit ratio (%)", region = "us-east-1", stat = "Average", metrics = [concat(["AWS/CloudFront", "CacheHitRate"], local.cdn)] },
    { title = "CDN errors (%)", region = "us-east-1", stat = "Average", metrics = [for name in ["4xxErrorRate", "5xxErrorRate"] : concat(["AWS/CloudFront", name], local.cdn)] },
    { title = "CDN latency of the origin (ms)", region = "us-east-1", stat = "Average", metrics = [concat(["AWS/CloudFront", "OriginLatency"], local.cdn)] },
    { title = "Jobs waiting and in flight", stat = "Maximum", metrics = [for name in ["ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"] : ["AWS/SQS", name, "QueueName", aws_sqs_queue.jobs.name]] },
    { title = "Longest pending, by the store (s)", stat = "Maximum", metrics = [[local.metrics.namespace, local.metrics.oldest_pending, local.service_dimension, "atelier-api"]] },
    { title = "Age of the oldest job (s)", stat = "Maximum", metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.jobs.name]] },
    { title = "Dead letters", stat = "Maximum", metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name]] },
    { title = "Jobs by result", metrics = [for result in ["success", "failed", "released"] : concat([local.metrics.namespace, local.metrics.jobs, "result", result], local.worker)] },
    { title = "Variants and AVIFs by result", metrics = [for result in ["made", "failed", "given_up"] : concat([local.metrics.namespace, local.metrics.renditions, "result", result], local.worker)] },
    { title = "Time in each stage (s)", stat = "Average", metrics = concat([concat([local.metrics.namespace, local.metrics.queue_wait], local.worker)], [for dimensions in local.of_stage : concat([local.metrics.namespace, local.metrics.stage_duration], dimensions)]) },
    { title = "Slots", stat = "Average", metrics = [for name in [local.metrics.slots, local.metrics.slots_in_use, local.metrics.paused, local.metrics.fleet_paused] : concat([local.metrics.namespace, name], local.worker)] },
    { title = "Model: calls and throttles", metrics = [for name in [local.metrics.model_calls, local.metrics.throttles] : concat([local.metrics.namespace, name], local.worker)] },
    { title = "Model: spend (USD)", period = 3600, metrics = [concat([local.metrics.namespace, local.metrics.model_cost], local.worker)] },
    { title = "Guardrail: prompts declined", metrics = [concat([local.metrics.namespace, local.metrics.guardrail], local.worker)] },
    { title = "Budget of the day (USD)", stat = "Maximum", metrics = [for name in [local.metrics.budget_used, local.metrics.budget_left] : [local.metrics.namespace, name, local.service_dimension, "atelier-api"]] },
    { title = "API: requests answered, by the API itself", stat = "SampleCount", metrics = [[local.metrics.namespace, local.metrics.http_duration, local.service_dimension, "atelier-api"]] },
    { title = "API: time to answer, by the API itself (s)", stat = "Average", metrics = [[local.metrics.namespace, local.metrics.http_duration, local.service_dimension, "atelier-api"]] },
    { title = "Alerts", metrics = [for service in ["atelier-api", "atelier-worker"] : [local.metrics.namespace, local.metrics.alerts, local.service_dimension, service]] },
  ]

  fleet_widgets = [
    { title = "Fleet: running", stat = "Average", metrics = [for service, fleet in local.fleet : concat(fleet.running_metric, [{ label = service }])] },
    { title = "Fleet: CPU (%)", stat = "Average", metrics = [for service, fleet in local.fleet : concat(fleet.cpu_metric, [{ label = service }])] },
    { title = "API: requests and errors", metrics = [for name in ["RequestCount", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count"] : ["AWS/ApplicationELB", name, "LoadBalancer", one(aws_lb.api[*].arn_suffix)]] },
    { title = "API: latency p95 (s)", stat = "p95", metrics = [["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", one(aws_lb.api[*].arn_suffix)]] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type   = "metric"
      x      = index % 3 * 8
      y      = floor(index / 3) * 6
      width  = 8
      height = 6
      properties = {
        title   = widget.title
        view    = "timeSeries"
        stacked = try(widget.stacked, false)
        region  = try(widget.region, var.aws_region)
        stat    = try(widget.stat, "Sum")
        period  = try(widget.period, 60)
        metrics = widget.metrics
      }
    }]
  })
}
