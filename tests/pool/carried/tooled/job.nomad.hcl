variable "app" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "artifacts" { type = map(string) }
variable "count" { type = number }
variable "cpu" { type = number }

job "tooled" {
  id          = var.app
  name        = var.app
  type        = "service"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  update {
    max_parallel      = 10
    min_healthy_time  = "0s"
    healthy_deadline  = "1m"
    progress_deadline = "2m"
  }

  group "main" {
    count = var.count

    spread {
      attribute = "${node.unique.id}"
    }

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

    network {
      port "http" {}
    }

    task "main" {
      driver = "raw_exec"

      logs {
        max_files     = 1
        max_file_size = 5
      }

      config {
        command = "${meta.python}"
        args = [
          "-m", "http.server", "--bind", "${NOMAD_IP_http}",
          "--directory", "${meta.packages}/${var.artifacts["tool"]}", "${NOMAD_PORT_http}",
        ]
      }

      service {
        name     = "${var.app}-http"
        provider = "nomad"
        port     = "http"

        check {
          type     = "tcp"
          interval = "1s"
          timeout  = "1s"
        }
      }

      resources {
        cpu    = var.cpu
        memory = 48
      }
    }
  }
}
