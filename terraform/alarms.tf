# Alarms on the services: whether somebody serves, whether somebody works, whether anybody watches.
# tests/alarm_test.py feeds each alarm of the stack the series that must and must not ring.

locals {
  # Alarms on one metric, told apart by name.
  service_alarms = {
    workers-paused = {
      description = "A worker is paused: it met a fault that would fail every job, and probes. Its log and /fleet say which. A pause by an operator does not ring."
      namespace   = local.metrics.namespace, metric = local.metrics.paused, stat = "Maximum"
      dimensions  = { (local.service_dimension) = "atelier-worker" }
      periods     = 5
    }
    model-gone = {
      description = "A model of bedrock_models takes no call of ours: retired, not enabled, or refused to the role."
      namespace   = local.metrics.namespace, metric = local.metrics.alerts, stat = "Sum"
      dimensions  = { (local.service_dimension) = "atelier-worker", code = "model_refused" }
      periods     = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "service" {
  for_each = local.service_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.stat
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

# The API says all the time how long the oldest assignment waits, be it 0. Where nobody says it, the
# collector, its permissions or the API are gone, and no other alarm of ours can ring.
resource "aws_cloudwatch_metric_alarm" "silence" {
  alarm_name          = "${var.name}-silence"
  alarm_description   = "No metric has come for ten minutes: the collector or the API is dead, and the other alarms are blind."
  namespace           = local.metrics.namespace
  metric_name         = local.metrics.oldest_pending
  dimensions          = { (local.service_dimension) = "atelier-api" }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

# The load balancer

resource "aws_cloudwatch_metric_alarm" "api_5xx" {
  count = local.has_fleet ? 1 : 0

  alarm_name          = "${var.name}-api-5xx"
  alarm_description   = "More than 5% of the API's requests, of at least 20 a minute, were answered 5xx."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "error_percent"
    label       = "5xx in percent"
    expression  = "IF(asked >= 20, 100 * errors / asked, 0)"
    return_data = true
  }

  # RequestCount leaves out what the load balancer answered itself, having no target.
  metric_query {
    id         = "asked"
    expression = "FILL(requests, 0) + FILL(refused, 0)"
  }

  metric_query {
    id         = "errors"
    expression = "FILL(failed, 0) + FILL(refused, 0)"
  }

  dynamic "metric_query" {
    for_each = { requests = "RequestCount", failed = "HTTPCode_Target_5XX_Count", refused = "HTTPCode_ELB_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = aws_lb.api[0].arn_suffix }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "unhealthy_hosts" {
  count = local.has_fleet ? 1 : 0

  alarm_name          = "${var.name}-unhealthy-hosts"
  alarm_description   = "An API process has not lived for ten minutes, and its replacement does not come."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.api[0].arn_suffix, TargetGroup = aws_lb_target_group.api[0].arn_suffix }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
}

# What is wanted and what runs: no capacity, no quota, an image that cannot be pulled, a release that
# crashes.
resource "aws_cloudwatch_metric_alarm" "launch_failures" {
  for_each = toset(local.has_fleet ? ["api", "worker"] : [])

  alarm_name          = "${var.name}-launch-failures-${each.key}"
  alarm_description   = "Fewer of the ${each.key} have run than were wanted for a quarter of an hour: look at the activity of its group or service."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 15
  treat_missing_data  = "notBreaching"
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  metric_query {
    id          = "lacking"
    label       = "Wanted and not running"
    expression  = "wanted - running"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { wanted = local.fleet[each.key].wanted_metric, running = local.fleet[each.key].running_metric }

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value[0]
        metric_name = metric_query.value[1]
        dimensions  = { for index in range(2, length(metric_query.value), 2) : metric_query.value[index] => metric_query.value[index + 1] }
        period      = 60
        stat        = "Minimum"
      }
    }
  }
}
