# The scaling numbers, read from scaling.json, and the arithmetic of "out within five minutes".

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/mocks"
  override_during = plan
}

# Feature: s3-image-storage, Property 27: Auto-scaling trigger
run "out_within_five_minutes" {
  command = plan

  assert {
    condition     = output.scaling.metric_period_seconds == 60 && output.scaling.scale_out_alarm_periods == 3 && output.scaling.worker.boot_seconds == 60
    error_message = "Metric period, alarm and boot are what the README's arithmetic says."
  }

  assert {
    condition     = output.scaling.scale_out_seconds == { api = 60 + 3 * 60 + 60, worker = 60 + 3 * 60 + 60 }
    error_message = "Metric period + alarm + boot."
  }

  assert {
    condition     = alltrue([for seconds in values(output.scaling.scale_out_seconds) : seconds <= 300 && seconds <= output.scaling.scale_out_limit_seconds])
    error_message = "New capacity serves within five minutes."
  }

  assert {
    condition = (
      output.scaling.high_resolution.metric_period_seconds * output.scaling.scale_out_alarm_periods +
      output.scaling.high_resolution.metric_delay_seconds + output.scaling.worker.boot_seconds
    ) <= output.scaling.high_resolution.scale_out_limit_seconds
    error_message = "By the metric of high resolution new workers serve within two minutes."
  }

  assert {
    condition     = local.services.api.environment.CLOUDWATCH_BACKLOG == (var.fleet == "ec2" ? "on" : "off")
    error_message = "The API says the backlog where a group follows it."
  }

  assert {
    condition     = output.scaling.worker.cpu_percent == 70 && output.scaling.api.cpu_percent == 70
    error_message = "CPU above 70% adds capacity."
  }

  assert {
    condition     = output.scaling.worker.backlog_per_worker == output.scaling.worker.slots * output.scaling.worker.acceptable_wait_seconds / output.scaling.worker.seconds_per_picture
    error_message = "The backlog of one worker is what it makes within the acceptable wait."
  }

  assert {
    condition     = output.scaling.scale_in_alarm_periods * output.scaling.metric_period_seconds >= 3 * output.scaling.scale_out_alarm_periods * output.scaling.metric_period_seconds
    error_message = "In is much slower than out."
  }
}

run "the_model_quota_is_the_limit" {
  command = plan

  assert {
    condition     = output.scaling.worker.min == 1 && output.scaling.worker.max == 2
    error_message = "90 pictures a minute feed two workers of 8 slots at 10 s a picture."
  }
}

run "from_zero_to_a_larger_quota" {
  command = plan

  variables {
    worker_min             = 0
    model_quota_per_minute = 1000
  }

  assert {
    condition     = output.scaling.worker.min == 0 && output.scaling.worker.max == 21
    error_message = "1000 pictures a minute feed 21 workers; none runs while there is nothing to do."
  }

  assert {
    condition     = local.services.worker.capacity.on_demand_base == 0
    error_message = "No worker, no on-demand base."
  }
}

run "a_quota_below_one_worker" {
  command = plan

  variables {
    model_quota_per_minute = 1
  }

  assert {
    condition     = output.scaling.worker.max == 1
    error_message = "There is always room for one worker."
  }
}

run "workers_get_what_the_numbers_say" {
  command = plan

  assert {
    condition     = local.services.worker.environment.WORKER_SLOTS == tostring(output.scaling.worker.slots)
    error_message = "The slots of the arithmetic are the worker's."
  }
}
