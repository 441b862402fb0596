-- Byte order is smaller and faster to compare, and survives an upgrade of the C library, whose own orders change
-- and then leave indexes wrong. Nobody reads user ids in a dictionary's order.
alter table users alter column user_id type varchar(64) collate "C";
alter table image_process_jobs alter column user_id type varchar(64) collate "C";
