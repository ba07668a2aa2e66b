//! What is altered while a slot is created. The server notes which commits changed its catalog only once everything that
//! ran when the creation began is over (`xact_decode` in decode.c returns before FULL_SNAPSHOT). An earlier commit is
//! taken for one that is still running by whoever begins beside a transaction that is older than it
//! (`SnapBuildFindSnapshot` in snapbuild.c). What they write is decoded by the catalog of before: without the column that
//! an ALTER TABLE added, for good and without a word. After a TRUNCATE it can't be decoded at all, `could not map
//! filenode`.

use crate::Error;
use crate::catalog::LISTS_SINCE;
use crate::wire::Connection;

/// A moment, by which the catalog's rows are told to be older or younger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Who begins later has this transaction id or a later one. In 32 bits, as rows have it.
    xid: u32,
}

impl Moment {
    pub(super) async fn now(connection: &mut Connection) -> Result<Self, Error> {
        let sql = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric % 4294967296";
        Ok(Self { xid: connection.query(sql).await?.single()?.parse(0)? })
    }

    /// Names of what was altered since, of what was created too; none: nothing was, or it was taken back.
    pub(super) async fn altered(self, connection: &mut Connection) -> Result<Vec<String>, Error> {
        let of_schemas = match connection.server_version_num() >= LISTS_SINCE {
            true => {
                "UNION ALL SELECT pnnspid::regnamespace::text, xmin FROM pg_catalog.pg_publication_namespace"
            }
            false => "",
        };
        // The xids are compared in circular order. Temporary tables come and go with every other query, and are not in
        // the WAL.
        let sql = format!(
            "WITH tables AS (SELECT oid, xmin AS xid FROM pg_catalog.pg_class \
               WHERE relpersistence = 'p' AND relkind IN ('r', 'p', 'm', 'c')), \
             rows (name, xid) AS ( \
               SELECT oid::regclass::text, xid FROM tables \
               UNION ALL SELECT oid::regclass::text, a.xmin \
                 FROM tables JOIN pg_catalog.pg_attribute a ON attrelid = oid \
               UNION ALL SELECT oid::regclass::text, i.xmin FROM tables JOIN pg_catalog.pg_index i ON indrelid = oid \
               UNION ALL SELECT oid::regtype::text, xmin FROM pg_catalog.pg_type \
                 WHERE typrelid = 0 AND typcategory <> 'A' \
               UNION ALL SELECT enumtypid::regtype::text, xmin FROM pg_catalog.pg_enum \
               UNION ALL SELECT nspname, xmin FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' \
               UNION ALL SELECT pubname, xmin FROM pg_catalog.pg_publication \
               UNION ALL SELECT prrelid::regclass::text, xmin FROM pg_catalog.pg_publication_rel {of_schemas}) \
             SELECT DISTINCT name FROM rows \
             WHERE pg_catalog.age(xid) BETWEEN 0 AND pg_catalog.age('{}'::xid) ORDER BY name",
            self.xid
        );
        let rows = connection.query(&sql).await?;
        rows.iter().map(|row| Ok(row.required(0)?.to_owned())).collect()
    }
}
