"""The CloudWatch dashboard of a stack: one table, from which template.yaml's DashboardBody is written."""
