variable "app" { type = string }
variable "run" { type = string }
variable "program" { type = string }
variable "args" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "artifacts" { type = map(string) }

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

    reschedule {
      attempts  = 0
      unlimited = false
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
        args    = ["-c", "id -un; ls ${meta.packages}/${var.artifacts["tool"]}; exit 3"]
      }

      resources {
        cpu    = 20
        memory = 20
      }
    }
  }
}
