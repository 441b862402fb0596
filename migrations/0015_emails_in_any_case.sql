-- Anna@example.com and anna@example.com are one address. Encrypted ones are compared by the digest of the lower case.
create unique index users_email_lower_idx on users (lower(email));
