"""SQLAlchemy's ORM on psycopg. Steps are named on the command line; each prints "STEP ok", or what it was told."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "matrix"))
import steps as report                                  # noqa: E402
from sqlalchemy import ForeignKey, create_engine, event, func, select, text     # noqa: E402
from sqlalchemy.exc import IntegrityError               # noqa: E402
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload   # noqa: E402

URL = f"postgresql+psycopg://app@/app?host={os.environ['PGHOST']}&port={os.environ['PGPORT']}"
engine = create_engine(URL, pool_size=4, max_overflow=0, pool_pre_ping=True)


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "sa_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "sa_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("sa_author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def migrate():
    Base.metadata.create_all(engine)


def crud():
    with Session(engine) as session:
        session.add_all([Author(name=f"author{k}", books=[Book(title=f"book{n}") for n in range(3)]) for k in range(50)])
        session.commit()
        first = session.scalars(select(Author).where(Author.name == "author0").options(selectinload(Author.books))).one()
        assert len(first.books) == 3
        first.name = "renamed"
        session.delete(session.scalars(select(Author).where(Author.name == "author1")).one())
        session.commit()
        assert session.scalar(select(func.count()).select_from(Book)) == 147


def savepoint():
    with Session(engine) as session, session.begin():
        session.add(Author(name="kept"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="kept"))
        except IntegrityError:
            pass
    with Session(engine) as session:
        assert session.scalar(select(func.count()).where(Author.name == "kept")) == 1


def pool():
    def work(number):
        for k in range(50):
            with Session(engine) as session, session.begin():
                session.add(Author(name=f"thread{number}-{k}"))
                session.flush()
                assert session.scalar(select(func.count()).where(Author.name == f"thread{number}-{k}")) == 1
        return number
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [0, 1, 2, 3]


def stream():
    """stream_results: a named cursor, in the transaction that SQLAlchemy has begun."""
    with engine.connect().execution_options(stream_results=True, max_row_buffer=20) as connection:
        assert sum(1 for _ in connection.execute(select(Author.id))) >= 200


def autocommit():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def serializable():
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "serializable"


def search_path():
    """A SET after connecting, as many a recipe has it."""
    own = create_engine(URL)

    @event.listens_for(own, "connect")
    def set_path(connection, _):
        connection.execute("SET search_path = public")
        connection.commit()
    with own.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == "public"


def search_path_at_start():
    """The same as a start-up parameter."""
    own = create_engine(URL + "&options=-csearch_path%3Dpublic")
    with own.connect() as connection:
        assert connection.scalar(text("SHOW search_path")) == "public"


report.run([(name, globals()[name]) for name in sys.argv[1:]])
