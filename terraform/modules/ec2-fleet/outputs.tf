output "running_metric" {
  description = "CloudWatch metric of how many run: namespace, name, then dimension names and values."
  value       = ["AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", aws_autoscaling_group.this.name]
}

output "cpu_metric" {
  description = "CloudWatch metric of their CPU in percent: namespace, name, then dimension names and values."
  value       = ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName", aws_autoscaling_group.this.name]
}

output "fleet_name" {
  description = "Name of the Auto Scaling Group."
  value       = aws_autoscaling_group.this.name
}

output "role_name" {
  description = "Role of the service."
  value       = var.role.name
}

output "ami_id" {
  description = "Image of the instances."
  value       = aws_launch_template.this.image_id
}

output "wanted_metric" {
  description = "CloudWatch metric of how many should run: namespace, name, then dimension names and values."
  value       = ["AWS/AutoScaling", "GroupDesiredCapacity", "AutoScalingGroupName", aws_autoscaling_group.this.name]
}
