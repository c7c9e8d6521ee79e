-- The two roles and the database (docs/decisions/0004). Run once as an administrator:
--   psql -v owner_password="'...'" -v app_password="'...'" -f deploy/roles.sql
CREATE ROLE bourse_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :owner_password;
CREATE ROLE bourse_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :app_password;
CREATE DATABASE bourse OWNER bourse_owner ENCODING 'UTF8' TEMPLATE template0;
-- A temporary table would be found before the real one by whatever names it.
REVOKE TEMPORARY ON DATABASE bourse FROM PUBLIC;
\connect bourse
ALTER DEFAULT PRIVILEGES FOR ROLE bourse_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO bourse_app;
ALTER DEFAULT PRIVILEGES FOR ROLE bourse_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO bourse_app;
