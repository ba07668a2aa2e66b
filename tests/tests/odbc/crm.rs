//! Customers with their managers, who come, change, go and move: the database, all that each customer ever was, and a judge
//! of what is told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use end_to_end::random::Random;
use end_to_end::session::Session;
use serde_json::{Value, json};

/// What is read of it.
pub const RESOURCE: &str = r#"
[[source.odbc.resource]]
name = "crm.customer"
root = "SELECT id, name, city FROM customer"
key = ["id"]
every_s = 1
max_delete_fraction = 0.9
children = [
  { name = "managers", query = "SELECT customer_id, id, name FROM manager", parent = ["customer_id"], key = ["id"] },
]
"#;

const CUSTOMERS: i64 = 40;
const MANAGERS: i64 = 80;

pub struct Crm {
    session: Session,
    random: Random,
    /// Name and city.
    customers: BTreeMap<i64, (String, Option<String>)>,
    /// Whose they are, which nobody may be, and their name.
    managers: BTreeMap<i64, (Option<i64>, String)>,
    /// All that each customer was after each transaction that concerned it; none: not there.
    journal: BTreeMap<i64, Vec<Option<Value>>>,
    writes: u64,
}

impl Crm {
    /// Makes the tables and fills them.
    pub fn new(session: Session, random: Random) -> Self {
        session.execute(
            "CREATE TABLE customer (id int PRIMARY KEY, name varchar(100), city varchar(100));
             CREATE TABLE manager (id int PRIMARY KEY, customer_id int, name varchar(100));",
        );
        let mut crm = Self {
            session,
            random,
            customers: BTreeMap::new(),
            managers: BTreeMap::new(),
            journal: BTreeMap::new(),
            writes: 0,
        };
        let mut statements = String::new();
        for id in 1..=CUSTOMERS / 2 {
            statements += &crm.put_customer(id);
        }
        for id in 1..=MANAGERS / 2 {
            statements += &crm.put_manager(id);
        }
        crm.commit(&statements);
        crm
    }

    /// One transaction at random.
    pub fn write(&mut self) {
        let mut statements = String::new();
        for _ in 0..self.random.within(1..4) {
            let (customer, manager) =
                (self.any_customer(), self.random.within(1..MANAGERS as u64 + 1) as i64);
            statements += &match self.random.within(0..10) {
                0 => self.drop_customer(customer),
                1 | 2 => self.put_customer(customer),
                3 | 4 => self.drop_manager(manager),
                5..=7 => self.move_manager(manager, customer),
                _ => self.put_manager(manager),
            };
        }
        self.commit(&statements);
    }

    /// Each branch of change by itself, and the customers that it concerns.
    pub fn change_root(&mut self) -> BTreeSet<i64> {
        let customer = *self.customers.keys().next().expect("a customer");
        let statements = self.put_customer(customer);
        self.commit(&statements)
    }

    pub fn change_child(&mut self) -> BTreeSet<i64> {
        let manager = self.employed();
        let statements = self.put_manager(manager);
        self.commit(&statements)
    }

    pub fn delete_child(&mut self) -> BTreeSet<i64> {
        let manager = self.employed();
        let statements = self.drop_manager(manager);
        self.commit(&statements)
    }

    pub fn move_child(&mut self) -> BTreeSet<i64> {
        let manager = self.employed();
        let from = self.managers[&manager].0;
        let to = self.customers.keys().copied().find(|id| Some(*id) != from).expect("another customer");
        let statements = self.move_manager(manager, to);
        self.commit(&statements)
    }

    /// Runs a transaction, and notes what became of the customers, who are returned if they are others by it.
    fn commit(&mut self, statements: &str) -> BTreeSet<i64> {
        self.session.execute(&format!("BEGIN; {statements} COMMIT;"));
        let mut changed = BTreeSet::new();
        for id in 1..=CUSTOMERS {
            let now = self.customer(id);
            let states = self.journal.entry(id).or_insert_with(|| vec![None]);
            if states.last() != Some(&now) {
                states.push(now);
                changed.insert(id);
            }
        }
        changed
    }

    fn put_customer(&mut self, id: i64) -> String {
        let city = (!self.random.once_in(4)).then(|| format!("Zürich {}", self.random.within(0..3)));
        let name = self.name();
        let shown = city.as_ref().map_or_else(|| "NULL".to_owned(), |city| format!("'{city}'"));
        let is_new = self.customers.insert(id, (name.clone(), city)).is_none();
        match is_new {
            true => format!("INSERT INTO customer VALUES ({id}, '{name}', {shown});\n"),
            false => format!("UPDATE customer SET name = '{name}', city = {shown} WHERE id = {id};\n"),
        }
    }

    fn drop_customer(&mut self, id: i64) -> String {
        self.customers.remove(&id);
        format!("DELETE FROM customer WHERE id = {id};\n")
    }

    fn put_manager(&mut self, id: i64) -> String {
        let name = self.name();
        if let Some((_, before)) = self.managers.get_mut(&id) {
            before.clone_from(&name);
            return format!("UPDATE manager SET name = '{name}' WHERE id = {id};\n");
        }
        let customer = (!self.random.once_in(8)).then(|| self.any_customer());
        self.managers.insert(id, (customer, name.clone()));
        let shown = customer.map_or_else(|| "NULL".to_owned(), |customer| customer.to_string());
        format!("INSERT INTO manager VALUES ({id}, {shown}, '{name}');\n")
    }

    fn drop_manager(&mut self, id: i64) -> String {
        self.managers.remove(&id);
        format!("DELETE FROM manager WHERE id = {id};\n")
    }

    /// Perhaps to a customer who is not there yet, or no more.
    fn move_manager(&mut self, id: i64, customer: i64) -> String {
        if let Some((of, _)) = self.managers.get_mut(&id) {
            *of = Some(customer);
        }
        format!("UPDATE manager SET customer_id = {customer} WHERE id = {id};\n")
    }

    /// One who is somebody's.
    fn employed(&mut self) -> i64 {
        let of = |customer: &Option<i64>| customer.is_some_and(|id| self.customers.contains_key(&id));
        let all: Vec<i64> =
            self.managers.iter().filter(|(_, (customer, _))| of(customer)).map(|(id, _)| *id).collect();
        *self.random.pick(&all)
    }

    fn any_customer(&mut self) -> i64 {
        self.random.within(1..CUSTOMERS as u64 + 1) as i64
    }

    /// None was ever called so before.
    fn name(&mut self) -> String {
        self.writes += 1;
        format!("Ada \"{}\" Öz", self.writes)
    }

    fn customer(&self, id: i64) -> Option<Value> {
        let (name, city) = self.customers.get(&id)?;
        let managers = self.managers.iter().filter(|(_, (customer, _))| *customer == Some(id));
        let managers: Vec<Value> = managers
            .map(|(manager, (_, name))| json!({"customer_id": id, "id": manager, "name": name}))
            .collect();
        Some(json!({"id": id, "name": name, "city": city, "managers": managers}))
    }

    /// Of each customer what it is.
    pub fn rows(&self) -> BTreeMap<i64, Value> {
        self.customers.keys().filter_map(|id| Some((*id, self.customer(*id)?))).collect()
    }

    /// What a receiver has that drops what it has seen by the events' IDs. Whatever it was told was so at some time, after
    /// what it was told before, and is news.
    pub fn judge(&self, events: impl IntoIterator<Item = Value>) -> BTreeMap<i64, Value> {
        let mut rows = BTreeMap::new();
        let mut seen: HashMap<String, Value> = HashMap::new();
        let mut reached: BTreeMap<i64, usize> = BTreeMap::new();
        for event in events {
            let op = event["op"].as_str().expect("an op").to_owned();
            if op == "schema" {
                continue;
            }
            if let Some(before) = seen.insert(event["id"].to_string(), event.clone()) {
                assert_eq!(before, event, "one ID, two events");
                continue;
            }
            let id = event["key"]["id"].as_i64().expect("a key");
            let now = (op != "delete").then(|| event["after"].clone());
            let before = match &now {
                Some(row) => rows.insert(id, row.clone()),
                None => rows.remove(&id),
            };
            assert_eq!(before.is_none(), op == "insert", "{before:?}, then {event}");
            assert_ne!(before, now, "told twice: {event}");
            let place = reached.entry(id).or_default();
            let states = &self.journal[&id];
            let found = states[*place + 1..].iter().position(|state| *state == now);
            *place += 1 + found.unwrap_or_else(|| panic!("it never was so after {before:?}: {event}"));
        }
        rows
    }
}
