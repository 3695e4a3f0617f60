# One program on a Spark cluster: the driver is this task, the rest runs on the workers.

variable "app" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "artifacts" { type = map(string) }
variable "files" { type = map(string) }

variable "run" { type = string }
variable "program" { type = string }
variable "args" { type = string }
variable "memory" { type = number }

job "submit" {
  id          = var.run
  name        = var.run
  type        = "batch"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  group "driver" {
    # Once: what a program did before it failed must not be done twice.
    restart {
      attempts = 0
      mode     = "fail"
    }

    reschedule {
      attempts  = 0
      unlimited = false
    }

    ephemeral_disk {
      size = 500
    }

    network {
      port "rpc" {}
      port "blocks" {}
      port "ui" {}
    }

    task "driver" {
      driver = "raw_exec"

      logs {
        max_files     = 5
        max_file_size = 10
      }

      template {
        destination = "local/launch.py"
        data        = "{{ base64Decode \"${var.files["launch.py"]}\" }}"
        change_mode = "noop"
      }

      template {
        destination = "local/program.py"
        data        = "{{ base64Decode \"${var.program}\" }}"
        change_mode = "noop"
      }

      # Spark's own chatter would bury what the program says.
      template {
        destination = "secrets/spark/log4j2.properties"
        data        = "{{ base64Decode \"${var.files["log4j2.properties"]}\" }}"
        change_mode = "noop"
      }

      template {
        destination = "secrets/spark/spark-defaults.conf"
        perms       = "600"
        change_mode = "noop"
        data        = <<-EOT
          spark.authenticate true
          spark.authenticate.secret {{ with nomadVar "nomad/jobs/${var.run}" }}{{ .rpc }}{{ end }}
          spark.network.crypto.enabled true
        EOT
      }

      template {
        destination = "local/master.env"
        data        = "MASTER={{ with nomadService \"${var.app}-master\" }}{{ with index . 0 }}{{ .Address }}:{{ .Port }}{{ end }}{{ end }}\n"
        env         = true
        change_mode = "noop"
      }

      env {
        SPARK_HOME            = "${meta.packages}/${var.artifacts["spark"]}"
        SPARK_CONF_DIR        = "${NOMAD_SECRETS_DIR}/spark"
        HOST                  = "${NOMAD_IP_rpc}"
        RPC_PORT              = "${NOMAD_PORT_rpc}"
        UI_PORT               = "${NOMAD_PORT_ui}"
        BLOCKS_PORT           = "${NOMAD_PORT_blocks}"
        SPARK_LOCAL_IP        = "${NOMAD_IP_rpc}"
        PYTHONPATH            = "${meta.packages}/${var.artifacts["spark"]}/python"
        SPARK_LOCAL_DIRS      = "${NOMAD_ALLOC_DIR}/scratch"
        PYSPARK_PYTHON        = "${meta.python}"
        PYSPARK_DRIVER_PYTHON = "${meta.python}"
        SPARK_LAUNCHER_OPTS   = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
        PYTHONUNBUFFERED      = "1"
        PROGRAM_ARGS          = var.args
        WORKER_MEMORY         = var.memory
        DRIVER_MEMORY         = 512
      }

      config {
        command = "${meta.python}"
        args    = ["-I", "${NOMAD_TASK_DIR}/launch.py", "driver"]
      }

      resources {
        cpu    = 300
        memory = 1024
      }
    }
  }
}
