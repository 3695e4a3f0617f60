# A web service that can be moved, scaled and replaced without a failed request.

variable "app" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "files" { type = map(string) }

variable "count" { type = number }
variable "message" { type = string }
variable "cpu" { type = number }
variable "memory" { type = number }

job "hello" {
  id          = var.app
  name        = var.app
  type        = "service"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  # The new one is healthy before the old one goes, whether options change or a node is drained.
  update {
    max_parallel      = 1
    canary            = 1
    auto_promote      = true
    min_healthy_time  = "1s"
    healthy_deadline  = "1m"
    progress_deadline = "2m"
    auto_revert       = true
  }

  group "web" {
    count = var.count

    migrate {
      max_parallel     = 1
      min_healthy_time = "1s"
      healthy_deadline = "1m"
    }

    spread {
      attribute = "${node.unique.id}"
    }

    # A broken start is told at once; a good one that breaks later is started again.
    restart {
      attempts         = 2
      delay            = "1s"
      interval         = "1m"
      mode             = "fail"
      render_templates = true
    }

    ephemeral_disk {
      size = 50
    }

    network {
      port "http" {}
    }

    task "hello" {
      driver       = "raw_exec"
      kill_timeout = "10s"

      logs {
        max_files     = 2
        max_file_size = 5
      }

      template {
        destination = "local/serve.py"
        data        = "{{ base64Decode \"${var.files["serve.py"]}\" }}"
      }

      # As base64, because the agent would fill in ${…} in an environment.
      env {
        HELLO_APP     = var.app
        HELLO_MESSAGE = base64encode(var.message)
        HELLO_HOST    = "${NOMAD_IP_http}"
        HELLO_PORT    = "${NOMAD_PORT_http}"
        HELLO_NODE    = "${node.unique.name}"
      }

      config {
        command = "${meta.python}"
        args    = ["-I", "-S", "${NOMAD_TASK_DIR}/serve.py"]
      }

      # The task's own, not the group's: entered in the catalogue when the process runs and not
      # before. On the way out it leaves the catalogue first and stops this much later, when
      # callers have moved on.
      shutdown_delay = "3s"

      service {
        name     = "${var.app}-http"
        provider = "nomad"
        port     = "http"

        check {
          type     = "http"
          path     = "/healthz"
          interval = "1s"
          timeout  = "1s"
        }
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
