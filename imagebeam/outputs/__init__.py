"""What a job leaves behind: schema, file names, the account, and the reading of them."""
