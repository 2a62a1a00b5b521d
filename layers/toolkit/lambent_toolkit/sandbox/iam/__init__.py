"""AWS Identity and Access Management, enforced: who calls, what is asked, what the policies say."""
