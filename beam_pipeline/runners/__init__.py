"""Run the job on Beam's runners: local, Flink, Prism, Dataflow."""
