-- With RMBG_ENCRYPTION_KEY an e-mail is an OpenPGP message that pgp_sym_decrypt() of pgcrypto reads. The program makes
-- it, so the key never comes near the server; the digest (HMAC-SHA-256) keeps addresses unique and findable.
alter table users
  add column email_encrypted bytea,
  add column email_digest    bytea unique,
  add constraint email_is_plain_or_encrypted check (email is null or email_encrypted is null);
