-- The keys of personal data lie in a database of their own, so that it is backed up and thrown away by itself.
CREATE DATABASE vault;
