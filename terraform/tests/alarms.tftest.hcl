# Alarms and dashboard.

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
  values = {
    id                          = "images-bucket"
    arn                         = "arn:aws:s3:::images-bucket"
    bucket_regional_domain_name = "images-bucket.s3.us-west-2.amazonaws.com"
  }
}

override_resource {
  target          = module.notices[0].aws_sns_topic.this
  override_during = plan
  values = {
    arn = "arn:aws:sns:us-west-2:123456789012:atelier-notices"
  }
}

override_resource {
  target          = module.notices_us_east_1[0].aws_sns_topic.this
  override_during = plan
  values = {
    arn = "arn:aws:sns:us-east-1:123456789012:atelier-notices-cdn"
  }
}

# Feature: s3-image-storage, Property 24: Upload failure alarm
run "upload_failures" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.upload_failures.threshold == 5 && aws_cloudwatch_metric_alarm.upload_failures.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.upload_failures.evaluation_periods == 1
    error_message = "It rings above 5%, at once."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.upload_failures.metric_query : query.expression if query.return_data == true]) == "IF(uploads > 0, 100 * FILL(failures, 0) / uploads, 0)"
    error_message = "It watches the failures in percent of the uploads."
  }

  assert {
    condition     = { for query in aws_cloudwatch_metric_alarm.upload_failures.metric_query : query.id => one(query.metric).metric_name if length(query.metric) > 0 } == { uploads = "atelier.s3_uploads", failures = "atelier.s3_upload_failures" }
    error_message = "It reads the worker's own metrics."
  }

  assert {
    condition     = alltrue([for query in aws_cloudwatch_metric_alarm.upload_failures.metric_query : one(query.metric).period == 300 && one(query.metric).stat == "Sum" && one(query.metric).namespace == "Atelier" && one(query.metric).dimensions == tomap({ "service.name" = "atelier-worker" }) if length(query.metric) > 0])
    error_message = "In a window of 5 minutes."
  }
}

run "pictures" {
  command = plan

  assert {
    condition     = { for query in aws_cloudwatch_metric_alarm.cdn_hit_ratio.metric_query : query.id => one(query.metric).metric_name if length(query.metric) > 0 } == { hits = "CacheHitRate", requests = "Requests" } && aws_cloudwatch_metric_alarm.cdn_hit_ratio.comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.cdn_hit_ratio.threshold == 70 && aws_cloudwatch_metric_alarm.cdn_hit_ratio.treat_missing_data == "notBreaching"
    error_message = "CDN hit ratio below 70%."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.cdn_4xx.namespace == "AWS/CloudFront" && aws_cloudwatch_metric_alarm.cdn_4xx.metric_name == "4xxErrorRate" && aws_cloudwatch_metric_alarm.cdn_4xx.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.cdn_4xx.threshold == 10 && aws_cloudwatch_metric_alarm.cdn_4xx.period == 300 && aws_cloudwatch_metric_alarm.cdn_4xx.statistic == "Average" && aws_cloudwatch_metric_alarm.cdn_4xx.treat_missing_data == "notBreaching"
    error_message = "More than 10% 4xx at the CDN."
  }

  assert {
    condition     = alltrue([for query in aws_cloudwatch_metric_alarm.cdn_hit_ratio.metric_query : one(query.metric).dimensions == tomap({ DistributionId = "E0EXAMPLE", Region = "Global" }) if length(query.metric) > 0])
    error_message = "Of this distribution."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.bucket_size.threshold == 400000000000 && aws_cloudwatch_metric_alarm.bucket_size.comparison_operator == "GreaterThanThreshold"
    error_message = "Bucket above 80% of 500 GB."
  }

  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.bucket_size.metric_query : one(query.metric).dimensions.StorageType if length(query.metric) > 0]) == toset(local.storage_types) && alltrue([for query in aws_cloudwatch_metric_alarm.bucket_size.metric_query : one(query.metric).metric_name == "BucketSizeBytes" && one(query.metric).period == 86400 if length(query.metric) > 0])
    error_message = "All storage classes, once a day."
  }

  assert {
    condition     = toset(["StandardStorage", "StandardIAStorage", "GlacierInstantRetrievalStorage", "GlacierStorage", "IntelligentTieringFAStorage", "IntelligentTieringIAStorage", "IntelligentTieringAIAStorage"]) == setintersection(local.storage_types, ["StandardStorage", "StandardIAStorage", "GlacierInstantRetrievalStorage", "GlacierStorage", "IntelligentTieringFAStorage", "IntelligentTieringIAStorage", "IntelligentTieringAIAStorage"]) && length(local.storage_types) <= 10
    error_message = "Every class that a picture can be in; an alarm takes ten metrics."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.bucket_size.metric_query : query.expression if query.return_data == true]) == "SUM(METRICS())"
    error_message = "They are summed."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.s3_4xx.threshold == 10 && { for query in aws_cloudwatch_metric_alarm.s3_4xx.metric_query : query.id => one(query.metric).metric_name if length(query.metric) > 0 } == { requests = "AllRequests", errors = "4xxErrors", heads = "HeadRequests" }
    error_message = "More than 10% 4xx at the bucket."
  }

  assert {
    condition = { for query in aws_cloudwatch_metric_alarm.s3_4xx.metric_query : query.id => query.expression if query.expression != null } == {
      error_percent  = "IF(other_errors > 0 AND other_requests > 0, 100 * other_errors / other_requests, 0)"
      other_errors   = "FILL(errors, 0) - FILL(heads, 0)"
      other_requests = "requests - FILL(heads, 0)"
    }
    error_message = "In percent of the requests that are no HEAD: a new picture's HEAD is always 404, and rings nothing."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.s3_4xx.metric_query : query.id if query.return_data == true] == ["error_percent"]
    error_message = "One expression is judged."
  }
}

run "jobs" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_job.namespace == "Atelier" && aws_cloudwatch_metric_alarm.oldest_job.metric_name == "atelier.oldest_pending" && aws_cloudwatch_metric_alarm.oldest_job.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.oldest_job.threshold == 900 && aws_cloudwatch_metric_alarm.oldest_job.period == 60 && aws_cloudwatch_metric_alarm.oldest_job.statistic == "Maximum" && aws_cloudwatch_metric_alarm.oldest_job.treat_missing_data == "notBreaching"
    error_message = "The oldest job waits longer than 15 minutes."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.namespace == "AWS/SQS" && aws_cloudwatch_metric_alarm.dead_letters.metric_name == "ApproximateNumberOfMessagesVisible" && aws_cloudwatch_metric_alarm.dead_letters.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.dead_letters.threshold == 0 && aws_cloudwatch_metric_alarm.dead_letters.period == 60 && aws_cloudwatch_metric_alarm.dead_letters.statistic == "Maximum" && aws_cloudwatch_metric_alarm.dead_letters.treat_missing_data == "notBreaching"
    error_message = "There are dead letters."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.dimensions == tomap({ QueueName = "atelier-dead-letters" }) && aws_cloudwatch_metric_alarm.oldest_job.dimensions == tomap({ "service.name" = "atelier-api" })
    error_message = "Each on its queue."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alerts["worker"].namespace == "Atelier" && aws_cloudwatch_metric_alarm.alerts["worker"].metric_name == "atelier.alerts" && aws_cloudwatch_metric_alarm.alerts["worker"].comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.alerts["worker"].threshold == 0 && aws_cloudwatch_metric_alarm.alerts["worker"].period == 60 && aws_cloudwatch_metric_alarm.alerts["worker"].statistic == "Sum" && aws_cloudwatch_metric_alarm.alerts["worker"].treat_missing_data == "notBreaching"
    error_message = "An alert of the worker."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alerts["api"].namespace == "Atelier" && aws_cloudwatch_metric_alarm.alerts["api"].metric_name == "atelier.alerts" && aws_cloudwatch_metric_alarm.alerts["api"].comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.alerts["api"].threshold == 0 && aws_cloudwatch_metric_alarm.alerts["api"].period == 60 && aws_cloudwatch_metric_alarm.alerts["api"].statistic == "Sum" && aws_cloudwatch_metric_alarm.alerts["api"].treat_missing_data == "notBreaching"
    error_message = "An alert of the API."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.model_spend.namespace == "Atelier" && aws_cloudwatch_metric_alarm.model_spend.metric_name == "atelier.model_cost" && aws_cloudwatch_metric_alarm.model_spend.comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.model_spend.threshold == 50 && aws_cloudwatch_metric_alarm.model_spend.period == 86400 && aws_cloudwatch_metric_alarm.model_spend.statistic == "Sum" && aws_cloudwatch_metric_alarm.model_spend.treat_missing_data == "notBreaching"
    error_message = "The models cost more than 50 USD a day."
  }
}

run "no_budget" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.budget) == 0
    error_message = "Without a budget none is watched."
  }
}

run "budget" {
  command = plan

  variables {
    budget_usd_per_day = 25
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.budget[0].metric_name == "atelier.budget_used" && aws_cloudwatch_metric_alarm.budget[0].threshold == 20 && aws_cloudwatch_metric_alarm.budget[0].statistic == "Maximum" && aws_cloudwatch_metric_alarm.budget[0].dimensions == tomap({ "service.name" = "atelier-api" })
    error_message = "More than 80% of the budget is used."
  }

  assert {
    condition     = local.services.api.environment.BUDGET_USD_PER_DAY == "25" && local.services.worker.environment.BUDGET_USD_PER_DAY == "25"
    error_message = "API and workers know the budget."
  }
}

run "every_alarm_tells" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.upload_failures.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "upload_failures tells the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.bucket_size.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "bucket_size tells the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.s3_4xx.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "s3_4xx tells the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_job.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "oldest_job tells the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "dead_letters tells the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.model_spend.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])
    error_message = "model_spend tells the topic made here."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.alerts : alarm.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:atelier-notices"])])
    error_message = "alerts tell the topic made here."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.cdn_hit_ratio.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:atelier-notices-cdn"])
    error_message = "cdn_hit_ratio tells the topic of its region."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.cdn_4xx.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:atelier-notices-cdn"])
    error_message = "cdn_4xx tells the topic of its region."
  }
}

run "topics_of_ones_own" {
  command = plan

  variables {
    alarm_topic_arn           = "arn:aws:sns:us-west-2:123456789012:mine"
    alarm_topic_arn_us_east_1 = "arn:aws:sns:us-east-1:123456789012:mine"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.upload_failures.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "upload_failures tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.bucket_size.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "bucket_size tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.s3_4xx.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "s3_4xx tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.oldest_job.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "oldest_job tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "dead_letters tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.model_spend.alarm_actions == toset(["arn:aws:sns:us-west-2:123456789012:mine"])
    error_message = "model_spend tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.cdn_hit_ratio.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:mine"])
    error_message = "cdn_hit_ratio tells the given topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.cdn_4xx.alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:mine"])
    error_message = "cdn_4xx tells the given topic."
  }

  assert {
    condition     = length(module.notices) == 0 && length(module.notices_us_east_1) == 0
    error_message = "None is made."
  }
}

run "thresholds_follow_the_variables" {
  command = plan

  variables {
    bucket_quota_gb          = 10
    model_daily_budget_usd   = 7
    oldest_job_limit_seconds = 120
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.bucket_size.threshold == 8000000000
    error_message = "80% of 10 GB."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.model_spend.threshold == 7 && aws_cloudwatch_metric_alarm.oldest_job.threshold == 120
    error_message = "Budget and age as given."
  }
}

run "dashboard" {
  command = plan

  assert {
    condition = length(setsubtract([
      "Bucket size (GB)", "S3 requests", "S3 errors", "S3 latency (ms)",
      "CDN requests", "CDN cache hit ratio (%)", "CDN errors (%)",
      "Fleet: running", "Fleet: CPU (%)", "Jobs waiting and in flight", "Slots", "API: requests and errors",
    ], jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[*].properties.title)) == 0
    error_message = "Every widget of the portal's list, and the fleet's."
  }

  assert {
    condition     = alltrue([for name in ["BucketSizeBytes", "GetRequests", "PutRequests", "4xxErrors", "5xxErrors", "Requests", "CacheHitRate", "4xxErrorRate", "5xxErrorRate", "FirstByteLatency", "TotalRequestLatency"] : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")])
    error_message = "They show what they are called."
  }

  assert {
    condition = [
      for metric in one([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.metrics if widget.properties.title == "Bucket size (GB)"]) :
      metric[0].expression if length(metric) == 1
    ] == [for index, type in local.storage_types : "m${index} / 1000000000"]
    error_message = "The size of every storage class is shown in GB."
  }

  assert {
    condition = [
      for metric in one([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.metrics if widget.properties.title == "Bucket size (GB)"]) :
      [metric[5], metric[6].id, metric[6].visible] if length(metric) > 1
    ] == [for index, type in local.storage_types : [type, "m${index}", false]]
    error_message = "The bytes that it is reckoned from are not."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.region == "us-east-1" if startswith(widget.properties.title, "CDN")])
    error_message = "CloudFront's are read in us-east-1."
  }

  assert {
    condition     = alltrue([for name in values(local.metrics) : name == local.metrics.namespace || strcontains(aws_cloudwatch_dashboard.this.dashboard_body, name)])
    error_message = "Every metric of the services is shown."
  }
}
