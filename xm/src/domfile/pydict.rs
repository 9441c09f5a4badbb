//! Text to text, in the order of a Python 2 dictionary: the pairs of a `vif`, `vfb` or `vusb` string.

use std::convert::Infallible;

use super::table::{self, Found, Table};

/// Text to text.
#[derive(Clone, Debug, Default)]
pub(super) struct PyDict(Table<String, String>);

impl PyDict {
    /// Sets a key.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        let (hash, found) = self.find(key);
        self.0.put(found, hash, key.to_owned(), value.to_owned());
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(self.find(key).1).map(|(_, value)| value.as_str())
    }

    /// Removes a key and tells its value.
    pub(super) fn remove(&mut self, key: &str) -> Option<String> {
        let (_, found) = self.find(key);
        self.0.take(found).map(|(_, value)| value)
    }

    /// Keys and values in Python's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn find(&self, key: &str) -> (u64, Found) {
        let hash = table::hash(key.bytes().map(u64::from));
        let found = self.0.find(hash, |known| Ok::<_, Infallible>(known == key));
        let Ok(found) = found;
        (hash, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&str]) -> Vec<String> {
        let mut dict = PyDict::default();
        keys.iter().for_each(|key| dict.set(key, ""));
        dict.iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn keys_come_in_the_order_that_the_original_printed() {
        assert_eq!(order(&["mac", "bridge"]), ["bridge", "mac"]);
        assert_eq!(order(&["mac", "bridge", "script", "model"]), ["bridge", "mac", "model", "script"]);
        assert_eq!(order(&["model", "mac", "ip", "bridge"]), ["ip", "model", "mac", "bridge"]);
        assert_eq!(order(&["mac", "ip", "script"]), ["ip", "mac", "script"]);
    }

    #[test]
    fn a_key_that_is_set_again_has_the_later_value() {
        let mut dict = PyDict::default();
        dict.set("mac", "a");
        dict.set("mac", "b");
        assert_eq!(dict.iter().collect::<Vec<_>>(), [("mac", "b")]);
        assert_eq!(dict.remove("mac").as_deref(), Some("b"));
        assert_eq!(dict.get("mac"), None);
        assert_eq!(dict.remove("mac"), None);
    }

    #[test]
    fn many_keys_and_removals_end() {
        let mut dict = PyDict::default();
        for n in 0..1000 {
            dict.set(&format!("key{n}"), "x");
            if n % 3 == 0 {
                dict.remove(&format!("key{n}"));
            }
        }
        assert_eq!(dict.iter().count(), 666);
    }
}
