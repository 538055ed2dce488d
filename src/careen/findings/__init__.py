"""What scanners say: their reports, read into findings in ECR's form. Pure, and careful: anybody may have written the bytes."""
