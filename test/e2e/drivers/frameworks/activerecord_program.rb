# Rails' ActiveRecord. Steps are named on the command line; each prints "STEP ok", or what it was told.
require "active_record"
require "active_record/connection_adapters/postgresql_adapter"

# docs/frameworks.md has these lines as an initializer.
if ENV["SETTINGS_OF_THE_ROLE"]
  ActiveRecord::ConnectionAdapters::PostgreSQLAdapter.prepend(Module.new do
    def client_min_messages=(level); end

    private

    def set_standard_conforming_strings; end
  end)
end

CONFIGURATION = { adapter: "postgresql", database: "app", username: "app", host: ENV["PGHOST"], port: ENV["PGPORT"], pool: 5 }
ActiveRecord::Base.establish_connection(CONFIGURATION)

class Author < ActiveRecord::Base
  self.table_name = "ar_authors"
  has_many :books, dependent: :destroy
end

class Book < ActiveRecord::Base
  self.table_name = "ar_books"
  belongs_to :author
end

class CreateLibrary < ActiveRecord::Migration[6.1]
  def change
    create_table(:ar_authors) { |t| t.string :name, index: { unique: true } }
    create_table(:ar_books) { |t| t.string :title; t.references :author, foreign_key: { to_table: :ar_authors } }
  end
end

def same(seen, expected)
  raise "#{seen.inspect} instead of #{expected.inspect}" unless seen == expected
end

# As `rails db:migrate`: with the advisory lock.
def migrate
  context = ActiveRecord::MigrationContext.new([], ActiveRecord::SchemaMigration)
  ActiveRecord::SchemaMigration.create_table
  migration = CreateLibrary.new("CreateLibrary", 20260101000000)
  ActiveRecord::Migration.verbose = false
  ActiveRecord::Migrator.new(:up, [migration], context.schema_migration).migrate
end

def crud
  50.times { |k| Author.create!(name: "author#{k}", books: [Book.new(title: "a"), Book.new(title: "b")]) }
  Author.find_by!(name: "author0").update!(name: "renamed")
  Author.find_by!(name: "author1").destroy!
  same(Author.includes(:books).to_a.sum { |a| a.books.size }, 98)
  same(Author.joins(:books).where(ar_books: { title: "a" }).count, 49)
end

def savepoint
  Author.transaction do
    Author.create!(name: "kept")
    begin
      Author.transaction(requires_new: true) { Author.create!(name: "kept") }
    rescue ActiveRecord::RecordNotUnique
    end
  end
  same(Author.where(name: "kept").count, 1)
end

def pool
  threads = 4.times.map do |number|
    Thread.new do
      50.times do |k|
        Author.transaction do
          id = Author.create!(name: "thread#{number}-#{k}").id
          same(Author.find(id).name, "thread#{number}-#{k}")
        end
      end
    ensure
      ActiveRecord::Base.connection_pool.release_connection
    end
  end
  threads.each(&:join)
  same(Author.where("name LIKE 'thread%'").count, 200)
end

# ActiveRecord has no cursor of the server's: it reads batch after batch by the primary key.
def stream
  seen = 0
  Author.find_each(batch_size: 20) { seen += 1 }
  raise "only #{seen}" unless seen >= 50
end

def advisory_lock
  same(ActiveRecord::Base.connection.get_advisory_lock(42), true)
  same(ActiveRecord::Base.connection.release_advisory_lock(42), true)
end

ARGV.each do |name|
  send(name)
  puts "#{name} ok"
rescue StandardError => error
  puts "#{name}: #{error.class} #{error.message}".tr("\n", " ")
end
