"""AWS Bedrock: what is sent and how, on boto3."""
