# A standalone Spark cluster: one master, and workers that find it in the scheduler's catalogue.

variable "app" { type = string }
variable "datacenters" { type = list(string) }
variable "node_pool" { type = string }
variable "artifacts" { type = map(string) }
variable "files" { type = map(string) }

variable "workers" { type = number }
variable "cores" { type = number }
variable "memory" { type = number }

locals {
  # Daemons that do little: what starts fast is better than what runs fast.
  jvm = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"

  launch = "{{ base64Decode \"${var.files["launch.py"]}\" }}"

  # Readable by the task alone. Without the secret it is not rendered and nothing starts: no
  # cluster is ever open to whoever reaches it.
  settings = <<-EOT
    spark.authenticate true
    spark.authenticate.secret {{ with nomadVar "nomad/jobs/${var.app}" }}{{ .rpc }}{{ end }}
    spark.network.crypto.enabled true
    spark.master.rest.enabled false
  EOT
}

job "spark" {
  id          = var.app
  name        = var.app
  type        = "service"
  datacenters = var.datacenters
  node_pool   = var.node_pool

  update {
    max_parallel      = 1
    min_healthy_time  = "1s"
    healthy_deadline  = "4m"
    progress_deadline = "5m"
  }

  group "master" {
    count = 1

    # A start that fails here fails elsewhere too: say so at once instead of trying again.
    restart {
      attempts         = 1
      delay            = "1s"
      interval         = "5m"
      mode             = "fail"
      render_templates = true
    }

    reschedule {
      delay          = "5s"
      delay_function = "exponential"
      max_delay      = "5m"
      unlimited      = true
    }

    ephemeral_disk {
      size = 300
    }

    network {
      port "rpc" {}
      port "ui" {}
    }

    # Not checked itself: Spark writes a line for every connection that says nothing. It listens
    # before the page below does.
    service {
      name     = "${var.app}-master"
      provider = "nomad"
      port     = "rpc"
    }

    service {
      name     = "${var.app}-ui"
      provider = "nomad"
      port     = "ui"

      check {
        type     = "http"
        path     = "/json/"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "master" {
      driver = "raw_exec"

      logs {
        max_files     = 3
        max_file_size = 10
      }

      template {
        destination = "local/launch.py"
        data        = local.launch
        change_mode = "noop"
      }

      template {
        destination = "secrets/spark/spark-defaults.conf"
        data        = local.settings
        perms       = "600"
        change_mode = "restart"
      }

      env {
        SPARK_HOME             = "${meta.packages}/${var.artifacts["spark"]}"
        SPARK_CONF_DIR         = "${NOMAD_SECRETS_DIR}/spark"
        HOST                   = "${NOMAD_IP_rpc}"
        RPC_PORT               = "${NOMAD_PORT_rpc}"
        UI_PORT                = "${NOMAD_PORT_ui}"
        SPARK_LOCAL_IP         = "${NOMAD_IP_rpc}"
        SPARK_DAEMON_MEMORY    = "384m"
        SPARK_DAEMON_JAVA_OPTS = local.jvm
        SPARK_LAUNCHER_OPTS    = local.jvm
      }

      config {
        command = "${meta.python}"
        args    = ["-I", "${NOMAD_TASK_DIR}/launch.py", "master"]
      }

      resources {
        cpu    = 500
        memory = 640
      }
    }
  }

  group "worker" {
    count = var.workers

    # On as many nodes as there are before two share one.
    spread {
      attribute = "${node.unique.id}"
    }

    restart {
      attempts         = 1
      delay            = "1s"
      interval         = "5m"
      mode             = "fail"
      render_templates = true
    }

    reschedule {
      delay          = "5s"
      delay_function = "exponential"
      max_delay      = "5m"
      unlimited      = true
    }

    ephemeral_disk {
      size = 1000
    }

    network {
      port "rpc" {}
      port "ui" {}
    }

    service {
      name     = "${var.app}-worker"
      provider = "nomad"
      port     = "ui"

      check {
        type     = "http"
        path     = "/json/"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "worker" {
      driver       = "raw_exec"
      kill_timeout = "10s"

      logs {
        max_files     = 3
        max_file_size = 10
      }

      template {
        destination = "local/launch.py"
        data        = local.launch
        change_mode = "noop"
      }

      template {
        destination = "secrets/spark/spark-defaults.conf"
        data        = local.settings
        perms       = "600"
        change_mode = "restart"
      }

      # A master that moved has another address: the workers start anew and join it.
      template {
        destination = "local/master.env"
        data        = "MASTER={{ with nomadService \"${var.app}-master\" }}{{ with index . 0 }}{{ .Address }}:{{ .Port }}{{ end }}{{ end }}\n"
        env         = true
        change_mode = "restart"
      }

      env {
        SPARK_HOME             = "${meta.packages}/${var.artifacts["spark"]}"
        SPARK_CONF_DIR         = "${NOMAD_SECRETS_DIR}/spark"
        HOST                   = "${NOMAD_IP_rpc}"
        RPC_PORT               = "${NOMAD_PORT_rpc}"
        UI_PORT                = "${NOMAD_PORT_ui}"
        SPARK_LOCAL_IP         = "${NOMAD_IP_rpc}"
        PYTHONPATH             = "${meta.packages}/${var.artifacts["spark"]}/python"
        SPARK_LOCAL_DIRS       = "${NOMAD_ALLOC_DIR}/scratch"
        SPARK_DAEMON_MEMORY    = "256m"
        SPARK_DAEMON_JAVA_OPTS = local.jvm
        SPARK_LAUNCHER_OPTS    = local.jvm
        WORKER_CORES           = var.cores
        WORKER_MEMORY          = var.memory
      }

      config {
        command = "${meta.python}"
        args    = ["-I", "${NOMAD_TASK_DIR}/launch.py", "worker"]
      }

      resources {
        cpu    = var.cores * 1000
        memory = var.memory + 640
      }
    }
  }
}
