variable "app" { type = string }
variable "run" { type = string }
variable "program" { type = string }
variable "args" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "files" { type = map(string) }
variable "mode" { type = string }
variable "well_after" { type = number }
variable "count" { type = number }
variable "cpu" { type = number }

job "submit" {
  id          = var.run
  name        = var.run
  type        = "batch"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  group "main" {
    restart {
      attempts = 0
      mode     = "fail"
    }

    ephemeral_disk {
      size = 20
    }

    task "main" {
      driver = "raw_exec"

      logs {
        max_files     = 1
        max_file_size = 5
      }

      config {
        command = "/bin/sh"
        args    = ["-c", "echo ${var.app}; echo ${var.program} | base64 -d; echo ${var.args} | base64 -d"]
      }

      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
