"""The parts of a SARIF 2.1.0 log, each as the mapping that is written as JSON."""
