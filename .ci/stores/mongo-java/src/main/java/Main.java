import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import org.h2.mvstore.MVStore;

/** PORT [FILE]: a server on 127.0.0.1, its data in the file, or in memory. */
class Main {
    /** Drivers refuse the wire version of ServerVersion.MONGO_5_0, which is that of 4.2. */
    record Version(List<Integer> getVersionArray, int getWireVersion) implements MongoVersion {}

    /** One command at a time, its changes in the file before it is answered, and never a part of them. */
    static class Backend extends H2Backend {
        Backend(MVStore store) {
            super(store);
        }

        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            try {
                // A copy: the stored document itself would be written to the client while the next command changes it.
                var answer = super.handleMessage(message);
                return answer == null ? null : answer.cloneDeeply();
            } finally {
                commit();
            }
        }
    }

    public static void main(String[] arguments) {
        // Threads of the network would keep alive what could not start, its port being taken.
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        });
        var file = arguments.length > 1 ? arguments[1] : null;
        var store = new MVStore.Builder().fileName(file).autoCommitDisabled().autoCommitBufferSize(0).open();
        // Space is used again at once, which a killed process can bear, and not after 45 s: a quarter of the file size.
        store.setRetentionTime(0);
        var backend = new Backend(store);
        backend.version(new Version(List.of(5, 0, 0), 13));
        var server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        System.out.println("listening on 127.0.0.1:" + server.getLocalAddress().getPort());
    }
}
