variable "app" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "files" { type = map(string) }
variable "mode" { type = string }
variable "well_after" { type = number }
variable "count" { type = number }
variable "cpu" { type = number }

job "trial" {
  id          = var.app
  name        = var.app
  type        = "service"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  update {
    min_healthy_time  = "0s"
    healthy_deadline  = "1m"
    progress_deadline = "2m"
  }

  group "main" {
    count = var.count

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

      template {
        destination = "local/serve.py"
        data        = "{{ base64Decode \"${var.files["serve.py"]}\" }}"
      }

      template {
        destination = "secrets/key"
        data        = "{{ with nomadVar \"nomad/jobs/${var.app}\" }}{{ .key }}{{ end }}"
      }

      config {
        command = var.mode == "absent" ? "/nonexistent/program" : "${meta.python}"
        args    = ["-I", "-S", "${NOMAD_TASK_DIR}/serve.py", var.mode, "${var.well_after}"]
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
