variable "name" {
  description = "Name of the topic."
  type        = string
}

variable "emails" {
  description = "Addresses that the topic writes to."
  type        = list(string)
}

variable "account_id" {
  description = "The account whose alarms may publish."
  type        = string
}

variable "partition" {
  description = "The account's partition (`aws`)."
  type        = string
}
