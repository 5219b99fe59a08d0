terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The first that knows durable functions.
      version = ">= 6.25"
    }
  }
}
