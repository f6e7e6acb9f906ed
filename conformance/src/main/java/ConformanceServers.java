import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.List;
import org.elasticmq.rest.sqs.SQSRestServer;
import org.elasticmq.rest.sqs.SQSRestServerBuilder;

/**
 * Starts a MongoDB and an SQS that others wrote, on free loopback ports, and prints where they
 * are as NAME=value lines. Ends when its standard input ends, or at SIGTERM.
 */
public final class ConformanceServers {
    private static final String LOOPBACK = "127.0.0.1";

    /** Clients refuse servers below wire version 8, and the library's own versions stop short. */
    private record Version44() implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }

    private ConformanceServers() {}

    public static void main(String[] arguments) throws IOException {
        var mongo = new MongoServer(new MemoryBackend().version(new Version44()));
        mongo.bind(new InetSocketAddress(LOOPBACK, 0));
        SQSRestServer sqs = SQSRestServerBuilder.withInterface(LOOPBACK).withDynamicPort().start();
        int sqsPort = sqs.waitUntilStarted().localAddress().getPort();

        System.out.printf(
                "ATELIER_TEST_MONGODB_URI=mongodb://%s:%d/?directConnection=true&retryWrites=false%n",
                LOOPBACK, mongo.getLocalAddress().getPort());
        System.out.printf("ATELIER_TEST_SQS_ENDPOINT=http://%s:%d%n", LOOPBACK, sqsPort);
        System.out.flush();

        System.in.transferTo(OutputStream.nullOutputStream());
        System.exit(0);
    }
}
